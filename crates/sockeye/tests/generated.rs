//! What packages hold besides the program: manual pages and completions.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod support;

use std::process::{Command, Output};

use support::{run, sockeye};

fn generated(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = run(sockeye().args(arguments));
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// What bash's own completion of these words would offer; nothing means names of files.
fn offered_by_bash(words: &[&str]) -> String {
    let (code, script, _) = generated(&["--generate", "complete-bash"]);
    assert_eq!(code, Some(0));
    let ask = r#"COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _sockeye_words sockeye "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
        echo "${COMPREPLY[*]}""#;
    let bash = Command::new("bash")
        .args(["--norc", "-c", &format!("{script}\n{ask}"), "-"])
        .args(words)
        .output()
        .unwrap();
    assert!(bash.status.success(), "{}", String::from_utf8_lossy(&bash.stderr));
    String::from_utf8(bash.stdout).unwrap().trim().to_owned()
}

#[test]
fn bash_completes_verbs_services_flags_and_values() {
    assert_eq!(offered_by_bash(&["sockeye", "u"]), "up");
    assert_eq!(offered_by_bash(&["sockeye", "serve", ""]), "files echo clock");
    assert_eq!(offered_by_bash(&["sockeye", "up", "--max-p"]), "--max-per-address");
    assert_eq!(offered_by_bash(&["sockeye", "serve", "files", "--driver", "s"]), "single");
}

#[test]
fn bash_is_left_to_complete_files_where_they_are_wanted() {
    for words in [&["sockeye", "up", ""][..], &["sockeye", "put", ""], &["sockeye", "put", "x"]] {
        assert_eq!(offered_by_bash(words), "", "{words:?}");
    }
}

#[test]
fn the_manual_goes_into_a_folder_and_takes_its_date_from_the_packager() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = sockeye();
    command.args(["--generate", "man"]).arg(folder.path()).env("SOURCE_DATE_EPOCH", "86400");
    let Output { status, stdout, stderr } = run(&mut command);
    assert_eq!((status.code(), stdout, stderr), (Some(0), vec![], vec![]));
    let page = std::fs::read_to_string(folder.path().join("sockeye-up.1")).unwrap();
    assert!(page.contains("1970-01-02"), "{page}");
    assert!(folder.path().join("sockeye.1").exists());
}

#[test]
fn what_cannot_be_generated_is_exit_2_with_a_way_out() {
    for (arguments, part) in [
        (&["--generate", "pages"][..], "complete-zsh"),
        (&["--generate"], "--generate <WHAT>"),
        (&["--generate", "man"], "give a folder"),
        (&["--generate", "man", "/nowhere/at/all"], "give a folder that exists"),
        (&["--generate", "complete-bash", "x"], "leave the folder out"),
    ] {
        let (code, stdout, stderr) = generated(arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(part), "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_help_does_not_speak_of_generating() {
    let (_, help, _) = generated(&["--help"]);
    assert!(!help.contains("generate"), "{help}");
}
