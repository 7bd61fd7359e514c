//! One list of checks, two sets of tests.

/// Makes two tests of every check named: `double::<module>::<name>`, which runs always, and
/// `real::<module>::<name>`, which is ignored unless asked for.
#[macro_export]
macro_rules! contract {
    ($($module:ident { $($check:ident),+ $(,)? })+) => {
        mod double {
            $(mod $module {
                $(#[tokio::test]
                async fn $check() {
                    let target = $crate::Target::double().await;
                    $crate::checks::$module::$check(&target).await;
                })+
            })+
        }
        mod real {
            $(mod $module {
                $(#[tokio::test]
                #[ignore = "needs a kube-apiserver: tests/cluster/run-api.sh"]
                async fn $check() {
                    let target = $crate::Target::real().await;
                    $crate::checks::$module::$check(&target).await;
                })+
            })+
        }
    };
}
