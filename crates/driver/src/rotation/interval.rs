//! How often the volumes of a class are fetched.

use std::time::Duration;

use keymount_api::SecretProviderClass;

use crate::class::rotation_interval;
use crate::config::Rotation;

/// The rules of how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intervals {
    default: Duration,
    shortest: Duration,
}

impl Intervals {
    /// Rules from the settings.
    #[must_use]
    pub(crate) const fn new(rotation: Rotation) -> Self {
        Self { default: rotation.interval, shortest: rotation.min_interval }
    }

    /// Interval of a class: what it asks for, but not less than the operator allows.
    #[must_use]
    pub(crate) fn of(&self, class: Option<&SecretProviderClass>) -> Duration {
        class.and_then(rotation_interval).map_or(self.default, |asked| asked.max(self.shortest))
    }
}

#[cfg(test)]
mod tests {
    use keymount_api::annotations;

    use super::*;

    const MINUTES: Duration = Duration::from_secs(120);

    fn class(interval: &str) -> SecretProviderClass {
        let mut class = SecretProviderClass::default();
        let annotation = (annotations::ROTATION_POLL_INTERVAL.to_owned(), interval.to_owned());
        class.metadata.annotations = Some([annotation].into());
        class
    }

    #[test]
    fn a_class_may_choose_but_not_below_the_operators_minimum() {
        let rules = Intervals::new(Rotation { interval: MINUTES, min_interval: Duration::from_secs(10) });
        for (asked, seconds) in
            [("30s", 30), ("1h", 3600), ("1s", 10), ("0", 120), ("-5m", 120), ("often", 120), (" 45s ", 45)]
        {
            assert_eq!(rules.of(Some(&class(asked))).as_secs(), seconds, "{asked}");
        }
        assert_eq!(rules.of(None), MINUTES);
        assert_eq!(rules.of(Some(&SecretProviderClass::default())), MINUTES);
    }
}
