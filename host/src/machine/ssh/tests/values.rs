//! Arguments, values and directories on their way through the shell of a login.

use std::sync::Arc;

use super::*;
use crate::machine::sh::{Around, Fault, Run, Way, Within, run, values};

/// Lists, values and directories that go through each shell.
const LISTS: usize = 10_000;

async fn all_arrive_through(shell: &str) {
    let here = Here::new();
    let sshd = Sshd::with(&sshd::login_shell(&sshd::on_path(shell)));
    let way: Arc<dyn Way> = Arc::new(here.link(&ways(&sshd)));
    values::all_arrive(&way, LISTS).await;
}

#[tokio::test]
async fn arguments_values_and_directories_arrive_byte_for_byte_through_bash() {
    all_arrive_through("bash").await;
}

#[tokio::test]
async fn arguments_values_and_directories_arrive_byte_for_byte_through_dash() {
    all_arrive_through("dash").await;
}

#[tokio::test]
async fn arguments_values_and_directories_arrive_byte_for_byte_through_fish() {
    all_arrive_through("fish").await;
}

#[tokio::test]
async fn arguments_values_and_directories_arrive_byte_for_byte_through_tcsh() {
    all_arrive_through("tcsh").await;
}

#[tokio::test]
async fn a_value_with_nul_is_refused_before_anything_is_sent_and_one_with_newline_arrives_whole() {
    let (here, sshd) = (Here::new(), Sshd::with(&sshd::login_shell(&sshd::on_path("tcsh"))));
    let way: Arc<dyn Way> = Arc::new(here.link(&ways(&sshd)));
    let around = Around {
        environment: vec!["PATH".into()],
        ..Around::default()
    };
    let printed = |arg: &str, value: &str, below: &str| Run {
        program: "sh".into(),
        args: ["-c", "printf '%s|' \"$1\" \"$V\"", "sh", arg]
            .map(str::to_owned)
            .into(),
        env: vec![("V".into(), value.into())],
        directory: Some(Within {
            root: "/".into(),
            below: below.into(),
        }),
        held: Vec::new(),
        stdin: Vec::new(),
        deadline: LATEST,
        output: 1000,
        lingers: false,
        socket: None,
    };
    let refused = vec![printed("a\0b", "", ""), printed("", "\0", ""), printed("", "", "tmp\0")];
    for outcome in run(&way, &around, soon(), refused).await {
        assert!(matches!(outcome, Err(Fault::Value { .. })));
    }
    assert_eq!(here.sockets(), Vec::<PathBuf>::new(), "it does not even connect");
    let whole = run(&way, &around, soon(), vec![printed("a\nb\n", "\n\r\n", "tmp")]).await;
    let Some(Ok(crate::machine::Ended::Finished(output))) = whole.into_iter().next() else {
        panic!("it was not run")
    };
    assert_eq!(output.stdout, b"a\nb\n|\n\r\n|");
}
