//! What classes ask for, read once: pods of a class come with the same text again and again, at every mount and every rotation, and
//! reading it is four fifths of the work of a mount whose objects are cached.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use keymount_objects::{Limits, Object, ObjectsError, parse_objects};

/// Bytes that everything which is kept may take, of all classes together: texts, and what is made of them. Enough for fifty classes of
/// ten objects; to read one again takes half a millisecond.
const BYTES: usize = 256 << 10;

/// What an entry takes besides its text and its objects: its places in the map and in the order.
const ENTRY: usize = 128;

/// The objects of the classes that were asked for last.
#[derive(Default)]
pub(crate) struct Classes(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// By the text.
    read: HashMap<Arc<str>, Read>,
    /// The oldest first.
    order: VecDeque<Arc<str>>,
    bytes: usize,
}

/// What was read of a text.
struct Read {
    objects: Arc<[Object]>,
    /// What objects have that name none. That is the driver's, and nearly always the same.
    permission: u32,
    bytes: usize,
}

/// Memory of one entry: objects hold most of their text once more.
fn bytes(text: &str, objects: &[Object]) -> usize {
    2 * text.len() + size_of_val(objects) + ENTRY
}

impl Classes {
    /// The objects of a text: the same whether they are read now or were before.
    ///
    /// # Errors
    /// Those of [`parse_objects`]. What is wrong is not kept.
    pub(crate) fn objects(&self, text: &str, permission: u32) -> Result<Arc<[Object]>, ObjectsError> {
        if let Some(read) = self.kept().read.get(text)
            && read.permission == permission
        {
            return Ok(Arc::clone(&read.objects));
        }
        // Not under the lock: a text may be long.
        let objects: Arc<[Object]> = parse_objects(text, permission, Limits::default())?.into();
        let bytes = bytes(text, &objects);
        if bytes <= BYTES {
            self.kept().keep(text.into(), Read { objects: Arc::clone(&objects), permission, bytes });
        }
        Ok(objects)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, text: Arc<str>, read: Read) {
        self.bytes += read.bytes;
        // Somebody else may have read it meanwhile, or with another permission.
        if let Some(before) = self.read.insert(Arc::clone(&text), read) {
            self.bytes -= before.bytes;
            return;
        }
        self.order.push_back(text);
        while self.bytes > BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= self.read.remove(&oldest).map_or(0, |read| read.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, length: usize) -> String {
        format!("array:\n  - |\n    objectName: {name}\n    objectType: secret\n#{}", "x".repeat(length))
    }

    #[test]
    fn the_same_text_is_read_once_and_another_permission_is_another() {
        let classes = Classes::default();
        let first = classes.objects(&text("a", 0), 0o644).expect("objects");
        assert!(Arc::ptr_eq(&first, &classes.objects(&text("a", 0), 0o644).expect("objects")));
        let other = classes.objects(&text("a", 0), 0o600).expect("objects");
        assert!(!Arc::ptr_eq(&first, &other));
        assert_eq!(*other, *parse_objects(&text("a", 0), 0o600, Limits::default()).expect("objects"));
    }

    #[test]
    fn what_is_wrong_is_wrong_each_time() {
        let classes = Classes::default();
        for _ in 0..2 {
            classes.objects("array: [", 0o644).expect_err("no YAML");
        }
        assert!(classes.kept().read.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes_first() {
        let classes = Classes::default();
        // Few long texts, and many short ones, whose objects are the larger part.
        for (length, count) in [(BYTES / 20, 40), (0, 5000)] {
            for number in 0..count {
                classes.objects(&text(&format!("s-{number}"), length), 0o644).expect("objects");
                let kept = classes.kept();
                assert!(kept.bytes <= BYTES && kept.order.len() == kept.read.len(), "{}", kept.bytes);
            }
            let last = text(&format!("s-{}", count - 1), length);
            let kept = classes.kept();
            assert_eq!(kept.bytes, kept.read.values().map(|read| read.bytes).sum::<usize>());
            assert!(kept.read.contains_key(last.as_str()) && kept.read.len() < count);
        }
        // One that is larger than all of it is read each time, and takes nobody's place.
        let before = classes.kept().order.len();
        classes.objects(&text("large", BYTES), 0o644).expect("objects");
        assert_eq!(classes.kept().order.len(), before);
    }
}
