//! The messages that are known: numbers and names of their fields. Fields that only a server sets are left out.

/// A message.
pub(super) struct Message {
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
}

/// A field of a message.
pub(super) struct Field {
    pub(super) number: u64,
    /// Its name in JSON.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) repeated: bool,
}

/// What a field holds.
pub(super) enum Kind {
    Text,
    Bytes,
    Bool,
    Number,
    /// Set by servers only, and skipped.
    Time,
    Message(&'static Message),
    /// From texts to this.
    Map(&'static Kind),
}

const fn one(number: u64, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: false }
}

const fn many(number: u64, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: true }
}

const fn text(number: u64, name: &'static str) -> Field {
    one(number, name, Kind::Text)
}

/// `runtime.Unknown`, the envelope.
pub(super) static UNKNOWN: Message = Message {
    name: "Unknown",
    fields: &[one(1, "typeMeta", Kind::Message(&TYPE_META)), one(2, "raw", Kind::Bytes)],
};

static TYPE_META: Message = Message { name: "TypeMeta", fields: &[text(1, "apiVersion"), text(2, "kind")] };

static OWNER: Message = Message {
    name: "OwnerReference",
    fields: &[
        text(1, "kind"),
        text(3, "name"),
        text(4, "uid"),
        text(5, "apiVersion"),
        one(6, "controller", Kind::Bool),
        one(7, "blockOwnerDeletion", Kind::Bool),
    ],
};

static META: Message = Message {
    name: "ObjectMeta",
    fields: &[
        text(1, "name"),
        text(2, "generateName"),
        text(3, "namespace"),
        text(5, "uid"),
        text(6, "resourceVersion"),
        one(8, "creationTimestamp", Kind::Time),
        one(11, "labels", Kind::Map(&Kind::Text)),
        one(12, "annotations", Kind::Map(&Kind::Text)),
        many(13, "ownerReferences", Kind::Message(&OWNER)),
        many(14, "finalizers", Kind::Text),
    ],
};

const METADATA: Field = one(1, "metadata", Kind::Message(&META));

static BOUND_OBJECT: Message = Message {
    name: "BoundObjectReference",
    fields: &[text(1, "kind"), text(2, "apiVersion"), text(3, "name"), text(4, "uid")],
};

static TOKEN_REQUEST: Message = Message {
    name: "TokenRequestSpec",
    fields: &[
        many(1, "audiences", Kind::Text),
        one(3, "boundObjectRef", Kind::Message(&BOUND_OBJECT)),
        one(4, "expirationSeconds", Kind::Number),
    ],
};

static PRECONDITIONS: Message =
    Message { name: "Preconditions", fields: &[text(1, "uid"), text(2, "resourceVersion")] };

static ATTRIBUTES: Message = Message {
    name: "ResourceAttributes",
    fields: &[
        text(1, "namespace"),
        text(2, "verb"),
        text(3, "group"),
        text(4, "version"),
        text(5, "resource"),
        text(6, "subresource"),
        text(7, "name"),
    ],
};

static REVIEW: Message = Message {
    name: "SelfSubjectAccessReviewSpec",
    fields: &[one(1, "resourceAttributes", Kind::Message(&ATTRIBUTES))],
};

/// The kinds that can be read.
pub(super) static KINDS: [Message; 7] = [
    Message {
        name: "Secret",
        fields: &[
            METADATA,
            one(2, "data", Kind::Map(&Kind::Bytes)),
            text(3, "type"),
            one(4, "stringData", Kind::Map(&Kind::Text)),
            one(5, "immutable", Kind::Bool),
        ],
    },
    Message {
        name: "ConfigMap",
        fields: &[
            METADATA,
            one(2, "data", Kind::Map(&Kind::Text)),
            one(3, "binaryData", Kind::Map(&Kind::Bytes)),
            one(4, "immutable", Kind::Bool),
        ],
    },
    Message { name: "Namespace", fields: &[METADATA] },
    Message { name: "ServiceAccount", fields: &[METADATA] },
    Message { name: "TokenRequest", fields: &[METADATA, one(2, "spec", Kind::Message(&TOKEN_REQUEST))] },
    Message { name: "SelfSubjectAccessReview", fields: &[METADATA, one(2, "spec", Kind::Message(&REVIEW))] },
    Message {
        name: "DeleteOptions",
        fields: &[
            one(1, "gracePeriodSeconds", Kind::Number),
            one(2, "preconditions", Kind::Message(&PRECONDITIONS)),
            one(3, "orphanDependents", Kind::Bool),
            text(4, "propagationPolicy"),
            many(5, "dryRun", Kind::Text),
        ],
    },
];
