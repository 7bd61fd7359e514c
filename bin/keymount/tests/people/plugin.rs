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
