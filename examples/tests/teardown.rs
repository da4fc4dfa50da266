//! Teardowns that have to end: every row of what clusters are known to leave in AWS, on the simulator, with the verdict that follows.

#[path = "teardown/lookalikes.rs"]
mod lookalikes;
#[path = "teardown/rows.rs"]
mod rows;
#[path = "teardown/stage.rs"]
mod stage;
#[path = "teardown/states.rs"]
mod states;
