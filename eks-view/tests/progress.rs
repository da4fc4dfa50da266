//! Progress of one run as people in a log and machines read it.

mod common;

use common::{Paper, happen};
use eks_view::{Line, Progress, Recorder, Run, RunStatus, What};

#[tokio::test(start_paused = true)]
async fn plain_lines() {
    let paper = Paper::default();
    let progress = Progress::plain(paper.clone());
    happen(progress.observer()).await;
    progress.say("afterwards");
    insta::assert_snapshot!(paper.text(), @r##"
        0s  ▸ 4 steps, about 8m 20s
        0s  … net/nat/a (about 1m 54s)
        0s  … cluster/control-plane (about 7m 00s)
        2s  ↻ cluster/control-plane is tried again until it works: the role cannot be assumed yet
    1m 00s  · net/nat/a pending
    2m 02s  ✓ net/nat/a (2m 02s)
    3m 32s  · cluster/control-plane CREATING
    6m 42s  ✓ cluster/control-plane (6m 42s, 2 attempts)
    6m 42s  … nodes/workers (about 1m 00s)
    7m 12s  ✗ nodes/workers ec2:RunInstances for workers failed with VcpuLimitExceeded
    7m 12s  - k8s/pod/nginx not tried, because nodes/workers failed
    7m 12s  ▸ ended after 7m 12s, not everything is done
    7m 12s  afterwards
    "##);
}

#[tokio::test(start_paused = true)]
async fn lines_of_json() {
    let paper = Paper::default();
    happen(Progress::json_lines(paper.clone()).observer()).await;
    insta::assert_snapshot!(paper.text(), @r##"
    {"v":1,"at":0.0,"event":"run_started","owner":"demo","purpose":"make","steps":4,"kept":2,"expected":500.0,"planned":[{"key":"net/nat/a","title":"NAT gateway","typical":114.0,"needs":[]},{"key":"cluster/control-plane","title":"control plane demo","typical":420.0,"needs":[]},{"key":"nodes/workers","title":"2 × t3.medium","typical":60.0,"needs":["cluster/control-plane"]},{"key":"k8s/pod/nginx","title":"Pod nginx","typical":20.0,"needs":["net/nat/a","nodes/workers"]}]}
    {"v":1,"at":0.0,"event":"step_started","key":"net/nat/a","title":"NAT gateway","typical":114.0}
    {"v":1,"at":0.0,"event":"step_started","key":"cluster/control-plane","title":"control plane demo","typical":420.0}
    {"v":1,"at":2.0,"event":"step_retrying","key":"cluster/control-plane","attempt":1,"error":"the role cannot be assumed yet","after":2.0}
    {"v":1,"at":60.0,"event":"step_waiting","key":"net/nat/a","subject":"nat-1","state":"pending","elapsed":57.0}
    {"v":1,"at":120.0,"event":"step_waiting","key":"net/nat/a","subject":"nat-1","state":"pending","elapsed":117.0}
    {"v":1,"at":122.0,"event":"step_finished","key":"net/nat/a","took":122.0,"attempts":1}
    {"v":1,"at":212.0,"event":"step_waiting","key":"cluster/control-plane","subject":"demo","state":"CREATING","elapsed":208.0}
    {"v":1,"at":402.0,"event":"step_finished","key":"cluster/control-plane","took":402.0,"attempts":2}
    {"v":1,"at":402.0,"event":"step_started","key":"nodes/workers","title":"2 × t3.medium","typical":60.0}
    {"v":1,"at":432.0,"event":"step_failed","key":"nodes/workers","error":"ec2:RunInstances for workers failed with VcpuLimitExceeded","took":30.0,"attempts":1}
    {"v":1,"at":432.0,"event":"step_skipped","key":"k8s/pod/nginx","because":"nodes/workers"}
    {"v":1,"at":432.0,"event":"run_finished","took":432.0,"complete":false}
    "##);
    // Every line is of the documented schema, and the recording can be made from them.
    let lines: Vec<Line> = paper.text().lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    assert_eq!(lines.len(), common::events().len());
    let recorder = Recorder::new();
    happen(recorder.observer()).await;
    let mut recorded = recorder.run();
    assert!(recorded.began.take().is_some_and(|began| began.ends_with('Z')), "only the calendar is not in the lines");
    assert_eq!(Run::of(&lines), recorded);
}

/// Events may be added within a version, and a program may tell of several runs.
#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_passed_over() {
    let recorder = Recorder::new();
    let paper = Paper::default();
    let progress = Progress::json_lines(paper.clone()).also(recorder.observer());
    happen(progress.observer()).await;
    let own = r#"{"v":1,"event":"error","summary":"no"}"#;
    let later = r#"{"v":1,"at":3.5,"event":"step_dreamt","key":"net/vpc","of":{"sheep":3}}"#;
    let text = format!("{own}\n{}{later}\n{}{own}\n", paper.text(), paper.text());
    let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    assert_eq!(lines.iter().filter(|line| line.what == What::Unknown).count(), 3);
    let mut recorded = recorder.run();
    recorded.began = None;
    assert_eq!(Run::all(&lines), [recorded.clone(), recorded.clone()]);
    assert_eq!(Run::of(&lines), recorded);
}

#[tokio::test(start_paused = true)]
async fn a_recording_knows_what_the_end_waited_for() {
    let recorder = Recorder::new();
    happen(Progress::silent().also(recorder.observer()).observer()).await;
    let run = recorder.run();
    let path: Vec<_> = run.critical_path().into_iter().map(eks_core::StepKey::as_str).collect();
    assert_eq!(path, ["cluster/control-plane", "nodes/workers"]);
    assert_eq!((run.count(RunStatus::Done), run.count(RunStatus::Failed), run.count(RunStatus::Skipped)), (2, 1, 1));
    assert_eq!(run.length().as_secs(), 432);
    let nat = run.steps.iter().find(|step| step.key.as_str() == "net/nat/a").expect("recorded");
    assert_eq!(nat.states.len(), 1, "a state that is seen twice is told once");
    let json = serde_json::to_string(&run).expect("JSON");
    assert_eq!(serde_json::from_str::<Run>(&json).expect("the same"), run);
}
