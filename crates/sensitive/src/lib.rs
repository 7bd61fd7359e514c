//! Values that must not be printed, and that leave no copy behind when they are dropped.
//!
//! A [`Sensitive`] has no `Debug`, no `Display`, no `Serialize` and no `Clone`: a secret cannot reach
//! a log, an error text or an event by accident, because the code that would print it does not
//! compile (invariant I5).
//!
//! ```compile_fail,E0277
//! let token = keymount_sensitive::Sensitive::new(String::from("t0ken"));
//! println!("{token:?}");
//! ```
//! ```compile_fail,E0277
//! let token = keymount_sensitive::Sensitive::new(String::from("t0ken"));
//! println!("{token}");
//! ```
//! ```compile_fail,E0599
//! let token = keymount_sensitive::Sensitive::new(String::from("t0ken"));
//! let copy = token.clone();
//! ```
//! ```compile_fail,E0277
//! fn needs_serialize<T: serde::Serialize>(_: T) {}
//! needs_serialize(keymount_sensitive::Sensitive::new(String::from("t0ken")));
//! ```

use serde::{Deserialize, Deserializer};
use zeroize::Zeroize;

/// Text that must not be printed: tokens, client secrets, JSON that holds them.
pub type SecretString = Sensitive<String>;

/// Bytes that must not be printed: the content of a secret, a private key.
pub type SecretBytes = Sensitive<Vec<u8>>;

/// A value that cannot be printed and is overwritten with zeros when it is dropped.
///
/// To share one without copying it, put it into an `Arc`.
pub struct Sensitive<T: Zeroize>(T);

impl<T: Zeroize> Sensitive<T> {
    /// Takes the value into custody. A copy the caller made before is the caller's to erase.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value, to be changed in place. Growing a buffer leaves the old allocation unerased.
    pub const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize + Default> Sensitive<T> {
    /// Gives the value up; from here on the caller answers for erasing it.
    #[must_use]
    pub fn into_inner(mut self) -> T {
        std::mem::take(&mut self.0)
    }
}

impl<T: Zeroize> Drop for Sensitive<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Zeroize + Default> Default for Sensitive<T> {
    fn default() -> Self {
        Self(T::default())
    }
}

impl<'de, T: Zeroize + Deserialize<'de>> Deserialize<'de> for Sensitive<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    struct Probe(Arc<AtomicBool>);

    impl Zeroize for Probe {
        fn zeroize(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn erased_on_drop() {
        let erased = Arc::new(AtomicBool::new(false));
        let probe = Sensitive::new(Probe(Arc::clone(&erased)));
        assert!(!erased.load(Ordering::SeqCst));
        drop(probe);
        assert!(erased.load(Ordering::SeqCst));
    }

    #[test]
    fn given_up_whole() {
        let secret = SecretBytes::new(b"password".to_vec());
        assert_eq!(secret.expose().as_slice(), b"password");
        assert_eq!(secret.into_inner(), b"password");
    }
}
