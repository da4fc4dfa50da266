//! What exists, and what it costs.

/// One thing that exists in the account or in one of its clusters.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Item {
    /// `ec2/vpc`, `eks/cluster`, `kubernetes/Service`, …
    pub kind: String,
    /// Id, ARN or name.
    pub id: String,
    /// Tags; labels for Kubernetes objects.
    pub tags: Vec<(String, String)>,
    /// State as the API tells it; empty where there is none.
    pub state: String,
    /// Dollars a month in us-east-1, on demand, 730 hours a month.
    pub usd_per_month: f64,
}

/// Everything that exists, by kind and id. What every account has (a default of AWS's own) is not listed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    pub(crate) items: Vec<Item>,
}

impl Inventory {
    /// The items.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// How many items of this kind exist.
    pub fn count(&self, kind: &str) -> usize {
        self.items.iter().filter(|item| item.kind == kind).count()
    }

    /// Dollars a month for everything.
    pub fn usd_per_month(&self) -> f64 {
        self.items.iter().map(|item| item.usd_per_month).sum()
    }

    pub(crate) fn push(&mut self, kind: &str, id: &str, tags: Vec<(String, String)>, state: &str, usd_per_month: f64) {
        self.items.push(Item { kind: kind.to_owned(), id: id.to_owned(), tags, state: state.to_owned(), usd_per_month });
    }
}
