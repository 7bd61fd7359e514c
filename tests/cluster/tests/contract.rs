//! The contract of the Kubernetes API, against the double and against a real server.

keymount_cluster_tests::contract! {
    objects {
        create_sets_system_fields, missing_objects, missing_resources, methods,
        wrong_bodies, yaml_bodies, protobuf_bodies, body_and_path_agree, optimistic_locking,
        equal_updates_are_no_writes, dry_runs, unknown_fields, large_bodies, csi_drivers, events,
    }
    metadata { names_are_unique, names_are_generated, rules, owners }
    secrets { string_data, keys, types_demand_keys, size, type_is_immutable, immutable }
    custom {
        pruning, pruning_of_status_objects, versions, types, kinds, updates_need_a_revision, generation, constraints,
        status_subresource, cluster_scope, definitions_are_established,
    }
    patches { merge, json, locked, refused, system_fields_stay, strategic }
    apply {
        creates_changes_and_drops, conflicts, force, shared_fields, owners_merge_by_uid, string_data, refused,
        lists_by_schema, status,
    }
    ownership { of_create, of_update, of_apply, of_custom_resources, of_subresources, can_be_given_up }
    lists { shape, labels, fields, pages, revisions, across_namespaces }
    watches {
        begins_with_what_is_there, continues_from_a_revision, follows_selectors, follows_field_selectors,
        of_custom_resources, ends_in_time, bookmarks, expires, refused,
    }
    deletion { answers_a_status, preconditions, finalizers, propagation, collections, recreation, namespaces }
    pods { defaults, refused, specs_are_fixed, graceful_deletion, immediate_deletion, by_node }
    tokens { claims, for_the_server, refused }
    access { forbidden, roles, discovery, health_and_version, head, self_review, review_of_others, options }
    client { typed_objects, dynamic_objects, watcher_relists_after_410, watcher_resumes, token_requests }
}
