//! What classes ask for, read once: pods of a class come with the same text again and again, at every mount and every rotation, and
//! reading it is four fifths of the work of a mount whose objects are cached.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use keymount_objects::{Limits, Object, ObjectsError, parse_objects};

/// Bytes of text whose objects are kept, of all classes together. What is made of them takes about three times as much.
const BYTES: usize = 256 << 10;

/// The objects of the classes that were asked for last.
#[derive(Default)]
pub(crate) struct Classes(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// By the text: the objects, and the permission that they have where they name none. That is the driver's, and nearly always the same.
    objects: HashMap<Arc<str>, (u32, Arc<[Object]>)>,
    /// The oldest first.
    order: VecDeque<Arc<str>>,
    bytes: usize,
}

impl Classes {
    /// The objects of a text: the same whether they are read now or were before.
    ///
    /// # Errors
    /// Those of [`parse_objects`]. What is wrong is not kept.
    pub(crate) fn objects(&self, text: &str, permission: u32) -> Result<Arc<[Object]>, ObjectsError> {
        if let Some((kept, objects)) = self.kept().objects.get(text)
            && *kept == permission
        {
            return Ok(Arc::clone(objects));
        }
        // Not under the lock: a text may be long.
        let objects: Arc<[Object]> = parse_objects(text, permission, Limits::default())?.into();
        if text.len() <= BYTES {
            self.kept().keep(text.into(), permission, Arc::clone(&objects));
        }
        Ok(objects)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, text: Arc<str>, permission: u32, objects: Arc<[Object]>) {
        // Somebody else may have read it meanwhile, or with another permission.
        if self.objects.insert(Arc::clone(&text), (permission, objects)).is_some() {
            return;
        }
        self.bytes += text.len();
        self.order.push_back(text);
        while self.bytes > BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= oldest.len();
            self.objects.remove(&oldest);
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
        assert!(classes.kept().objects.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes_first() {
        let classes = Classes::default();
        for number in 0..40 {
            classes.objects(&text(&format!("s-{number}"), BYTES / 10), 0o644).expect("objects");
            let kept = classes.kept();
            assert!(kept.bytes <= BYTES && kept.order.len() == kept.objects.len(), "{}", kept.bytes);
            assert_eq!(kept.bytes, kept.order.iter().map(|text| text.len()).sum::<usize>());
        }
        assert!(classes.kept().objects.contains_key(text("s-39", BYTES / 10).as_str()));
        // One that is larger than all of it is read each time, and takes nobody's place.
        let before = classes.kept().order.len();
        classes.objects(&text("large", BYTES), 0o644).expect("objects");
        assert_eq!(classes.kept().order.len(), before);
    }
}
