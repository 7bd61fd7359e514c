//! Pages of lists: at most 25 items, then a link to the next.

use serde_json::{Map, Value, json};

use super::Admitted;
use crate::vault::error::VaultError;

/// Items on a page, at most and by default.
const PAGE: usize = 25;

type Item = Map<String, Value>;

/// The page that is asked for.
pub(super) struct Page {
    size: usize,
    /// The last item of the page before; none on the first page.
    after: Option<String>,
    /// Whether this page stays empty for the sake of it.
    empty: bool,
    query: String,
}

/// The items of a page, and the last one's key if there are more behind it.
pub(super) struct Taken {
    items: Vec<Item>,
    next: Option<String>,
}

impl Page {
    pub(super) fn new(asked: &Admitted) -> Result<Self, VaultError> {
        let invalid =
            || VaultError::bad_parameter("The maxresults query parameter must be between 1 and 25.");
        let size = match &asked.page_size {
            None => asked.listing.page_size.unwrap_or(PAGE).clamp(1, PAGE),
            Some(text) => text.parse().ok().filter(|size| (1..=PAGE).contains(size)).ok_or_else(invalid)?,
        };
        let bad_token = || VaultError::bad_parameter("The $skiptoken query parameter is not valid.");
        let after = match &asked.skip_token {
            None => None,
            Some(token) => {
                let bytes = hex::decode(token).map_err(|_| bad_token())?;
                Some(String::from_utf8(bytes).map_err(|_| bad_token())?)
            }
        };
        let empty = asked.listing.empty_first_page && after.is_none();
        let max = asked.page_size.as_ref().map(|size| format!("&maxresults={size}")).unwrap_or_default();
        let query = format!("api-version={}{max}", asked.api_version);
        Ok(Self { size, after, empty, query })
    }

    /// The key after which the page begins.
    pub(super) fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }

    /// The items of this page, out of all after [`Page::after`].
    pub(super) fn take(&self, mut items: impl Iterator<Item = (String, Item)>) -> Taken {
        if self.empty {
            return Taken { items: Vec::new(), next: items.next().map(|_| String::new()) };
        }
        let mut taken = Vec::new();
        let mut last = None;
        for (key, item) in items.by_ref().take(self.size) {
            taken.push(item);
            last = Some(key);
        }
        Taken { items: taken, next: last.filter(|_| items.next().is_some()) }
    }

    /// The body of the answer.
    pub(super) fn render(&self, taken: Taken, url: &str) -> Value {
        let next = taken.next.map(|key| format!("{url}?{}&$skiptoken={}", self.query, hex::encode(key)));
        json!({ "value": taken.items, "nextLink": next })
    }
}
