//! Who may go next: token buckets, and a queue before each that takes its owners in turn.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use super::rates::Rate;

/// One bucket with its queue.
#[derive(Clone, Debug)]
pub(super) struct Queue(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    rate: Rate,
    tokens: f64,
    filled: Instant,
    /// Owners who wait, in the order in which their turn comes.
    turns: VecDeque<String>,
    waiting: BTreeMap<String, VecDeque<oneshot::Sender<()>>>,
    /// Whether a task lets people through.
    served: bool,
}

impl State {
    fn fill(&mut self) {
        let now = Instant::now();
        let since = now.duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * self.rate.per_second).min(self.rate.burst);
        self.filled = now;
    }

    /// Until there is a whole token.
    fn pause(&self) -> Duration {
        // A microsecond more: division must not wake us just before there is one.
        Duration::from_secs_f64(((1.0 - self.tokens) / self.rate.per_second).max(0.0)) + Duration::from_micros(1)
    }

    /// Lets through whoever can be; those who gave up waiting cost nothing.
    fn serve(&mut self) {
        self.fill();
        while self.tokens >= 1.0 {
            let Some(owner) = self.turns.pop_front() else { return };
            let Some(waiting) = self.waiting.get_mut(&owner) else { continue };
            while let Some(next) = waiting.pop_front() {
                if next.send(()).is_ok() {
                    self.tokens -= 1.0;
                    break;
                }
            }
            if waiting.is_empty() {
                self.waiting.remove(&owner);
            } else {
                self.turns.push_back(owner);
            }
        }
    }
}

impl Queue {
    pub(super) fn new(rate: Rate) -> Self {
        Self(Arc::new(Mutex::new(State {
            rate,
            tokens: rate.burst,
            filled: Instant::now(),
            turns: VecDeque::new(),
            waiting: BTreeMap::new(),
            served: false,
        })))
    }

    /// Waits until it is this owner's turn and there is a token, and takes it.
    pub(super) async fn pass(&self, owner: &str) {
        while let Some((turn, serving)) = self.enter(owner) {
            if let Some(serving) = serving {
                tokio::spawn(serving.serve());
            }
            if turn.await.is_ok() {
                return;
            }
            // Whoever served ended with its runtime: the next one serves.
        }
    }

    /// A place in the queue, and the task of serving it if nobody does; `None` if there is a token at once.
    fn enter(&self, owner: &str) -> Option<(oneshot::Receiver<()>, Option<Serving>)> {
        let mut state = self.lock();
        state.fill();
        if state.turns.is_empty() && state.tokens >= 1.0 {
            state.tokens -= 1.0;
            return None;
        }
        let (tell, turn) = oneshot::channel();
        if !state.waiting.contains_key(owner) {
            state.turns.push_back(owner.to_owned());
        }
        state.waiting.entry(owner.to_owned()).or_default().push_back(tell);
        let is_served = std::mem::replace(&mut state.served, true);
        Some((turn, (!is_served).then(|| Serving { queue: self.clone(), ended: false })))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets people through as long as anybody waits.
#[derive(Debug)]
struct Serving {
    queue: Queue,
    ended: bool,
}

impl Serving {
    async fn serve(mut self) {
        loop {
            let pause = {
                let mut state = self.queue.lock();
                state.serve();
                if state.turns.is_empty() {
                    state.served = false;
                    self.ended = true;
                    return;
                }
                state.pause()
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// Its runtime may end while those of others wait: they are told, and enter again.
impl Drop for Serving {
    fn drop(&mut self) {
        if !self.ended {
            let mut state = self.queue.lock();
            state.served = false;
            state.turns.clear();
            state.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(burst: f64, per_second: f64) -> Queue {
        Queue::new(Rate { burst, per_second })
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_the_rate() {
        let (queue, began) = (queue(3.0, 2.0), Instant::now());
        let mut at = Vec::new();
        for _ in 0..7 {
            queue.pass("a").await;
            at.push((began.elapsed().as_secs_f64() * 10.0).round());
        }
        assert_eq!(at, [0.0, 0.0, 0.0, 5.0, 10.0, 15.0, 20.0]);
    }

    #[tokio::test(start_paused = true)]
    async fn owners_in_turn() {
        let queue = queue(1.0, 1.0);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        // One owner asks a hundred times before the other asks at all.
        for (owner, times) in [("greedy", 100), ("modest", 3)] {
            for _ in 0..times {
                let (queue, order) = (queue.clone(), order.clone());
                tasks.spawn(async move {
                    queue.pass(owner).await;
                    order.lock().unwrap().push(owner);
                });
                tokio::task::yield_now().await;
            }
        }
        while tasks.join_next().await.is_some() {}
        let order = order.lock().unwrap();
        let last = order.iter().rposition(|owner| *owner == "modest").expect("it had its turns");
        assert!(last <= 7, "three requests among a hundred are not behind them: {last}");
        assert_eq!(order.len(), 103);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_costs_nothing() {
        let (queue, began) = (queue(1.0, 1.0), Instant::now());
        queue.pass("a").await;
        for _ in 0..50 {
            let given_up = tokio::time::timeout(Duration::from_millis(1), queue.pass("b")).await;
            assert!(given_up.is_err());
        }
        queue.pass("a").await;
        assert!(began.elapsed() <= Duration::from_millis(1_100), "{:?}", began.elapsed());
    }

    #[test]
    fn another_runtime_serves_when_the_first_one_ends() {
        let queue = queue(1.0, 5.0);
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (first, second) = (runtime(), runtime());
        let waits = queue.clone();
        first.block_on(async move {
            waits.pass("a").await;
            // It serves, and is dropped with its runtime while it waits for a token.
            tokio::spawn(async move { waits.pass("a").await });
            tokio::task::yield_now().await;
        });
        let other = queue.clone();
        let waiting = std::thread::spawn(move || {
            second.block_on(async { tokio::time::timeout(Duration::from_secs(20), other.pass("b")).await.is_ok() })
        });
        while queue.lock().waiting.len() < 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(first);
        assert!(waiting.join().unwrap(), "nobody waits for a runtime that is gone");
    }
}
