//! The program under its other name, completions, and codes in any form.

use std::process::{Command, Output};

fn run(program: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().expect("a program")
}

fn keymount(arguments: &[&str]) -> Output {
    run(std::path::Path::new(env!("CARGO_BIN_EXE_keymount")), arguments)
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn a_link_is_a_plugin_of_kubectl() {
    let directory = tempfile::tempdir().expect("a directory");
    let plugin = directory.path().join("kubectl-keymount");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_keymount"), &plugin).expect("a link");
    let help = out(&run(&plugin, &["status", "--help"]));
    assert!(help.contains("Usage: kubectl keymount status"), "{help}");
    assert!(out(&keymount(&["status", "--help"])).contains("Usage: keymount status"));
}

#[test]
fn kubectl_completes_the_words_behind_the_plugin() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("kubectl_complete-keymount");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_keymount"), &program).expect("a link");
    let text = out(&run(&program, &["status", "-o", "j"]));
    assert_eq!(text, "json\tJSON\n:4\n");
    let text = out(&run(&program, &[""]));
    assert!(text.contains("describe\tExplains the volumes of a pod") && text.ends_with(":4\n"), "{text}");
    // Without a cluster there are no names, and no complaints in the middle of a line that is being typed.
    let output = run(&program, &["describe", "--kubeconfig", "/nothing", "pod", ""]);
    assert_eq!((out(&output).as_str(), output.stderr.as_slice()), (":4\n", &b""[..]));
}

#[test]
fn every_shell_gets_completions_that_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = keymount(&["completions", shell]);
        assert!(output.status.success());
        let text = out(&output);
        assert!(text.contains("describe") && text.contains("all-namespaces"), "{shell}");
    }
}

#[test]
fn codes_are_explained_in_every_form_in_which_people_meet_them() {
    for (asked, parts) in [
        ("KM0409", &["ObjectNotFound"][..]),
        (
            "MountVolume.SetUp failed for volume \"secrets\" : … SecretNotFound\nreason: ObjectNotFound (KM0409)\nhint: check",
            &["KM0409"],
        ),
        ("GRPCProviderError", &["KM0608", "KM0609", "KM0610"]),
        ("SecretProviderClassNotFound", &["KM0603"]),
    ] {
        let output = keymount(&["explain", asked]);
        assert!(output.status.success(), "{asked}");
        for part in parts {
            assert!(out(&output).contains(part), "{part} for {asked}");
        }
    }
    assert_eq!(keymount(&["explain", "nothing known"]).status.code(), Some(2));
}
