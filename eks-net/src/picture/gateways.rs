//! Lines from subnets to gateways: which tracks they take, before anything has its place.
//!
//! A line leaves a subnet on its right, goes along its zone's channel to the level of the gateway, there across the zones,
//! and into the gateway from below. Lines to one gateway join. So no line passes where a subnet or a text can be.

use super::model::{Gateway, GatewayKind, Picture, Place, Role};

/// What lies across the zones, from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Band {
    /// A row of subnets.
    Row(usize),
    /// A gateway that spans all zones.
    Bar(usize),
}

/// All lines to one gateway.
#[derive(Clone, Debug)]
pub(super) struct Net {
    pub(super) gateway: usize,
    pub(super) sources: Vec<Source>,
    /// The space above band n has level 2n, band n itself 2n + 1.
    pub(super) level: usize,
}

/// Where a line begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) column: usize,
    pub(super) level: usize,
    /// Which line of how many that begin there.
    pub(super) slot: (usize, usize),
}

#[derive(Clone, Debug)]
pub(super) struct Wiring {
    pub(super) bands: Vec<Band>,
    pub(super) nets: Vec<Net>,
    /// Tracks of each zone's channel: net and track.
    pub(super) channels: Vec<Vec<(usize, usize)>>,
}

impl Wiring {
    pub(super) fn new(picture: &Picture) -> Self {
        let mut bands: Vec<Band> = (0..picture.rows.len()).map(Band::Row).collect();
        let public = picture.rows.iter().filter(|row| row.role == Role::Public).count();
        let bars = (0..picture.gateways.len()).filter(|&at| picture.gateways[at].place == Place::Zones).map(Band::Bar);
        bands.splice(public..public, bars);
        let mut wiring = Self { bands, nets: Vec::new(), channels: Vec::new() };
        wiring.connect(picture);
        wiring.channels = (0..picture.zones.len()).map(|column| wiring.tracks(column)).collect();
        wiring
    }

    /// Tracks in the widest channel.
    pub(super) fn widest(&self) -> usize {
        self.channels.iter().flatten().map(|(_, track)| track + 1).max().unwrap_or_default()
    }

    pub(super) fn track(&self, column: usize, net: usize) -> usize {
        self.channels[column].iter().find(|(other, _)| *other == net).map(|(_, track)| *track).unwrap_or_default()
    }

    fn band(&self, wanted: Band) -> usize {
        self.bands.iter().position(|band| *band == wanted).unwrap_or_default()
    }

    fn connect(&mut self, picture: &Picture) {
        for (subnet, drawn) in picture.subnets.iter().enumerate() {
            let ways = picture.ways_out(subnet);
            for (slot, (gateway, _)) in ways.iter().enumerate() {
                let level = 2 * self.band(Band::Row(drawn.row)) + 1;
                self.join(picture, *gateway, Source { column: drawn.zone, level, slot: (slot, ways.len()) });
            }
        }
        let Some(last) = picture.zones.len().checked_sub(1) else { return };
        let internet = picture.gateways.iter().position(|gateway| gateway.kind == GatewayKind::Internet && gateway.place == Place::Border);
        for bar in self.bands.clone() {
            if let (Band::Bar(_), Some(internet)) = (bar, internet) {
                self.join(picture, internet, Source { column: last, level: 2 * self.band(bar) + 1, slot: (0, 1) });
            }
        }
    }

    fn join(&mut self, picture: &Picture, gateway: usize, source: Source) {
        if let Some(net) = self.nets.iter_mut().find(|net| net.gateway == gateway) {
            net.sources.push(source);
            return;
        }
        let level = match picture.gateways[gateway].place {
            Place::Border => 0,
            Place::Subnet(subnet) => 2 * self.band(Band::Row(picture.subnets[subnet].row)) + 2,
            Place::Zones => 2 * self.band(Band::Bar(gateway)) + 2,
        };
        self.nets.push(Net { gateway, sources: vec![source], level });
    }

    /// Tracks of a column's channel: what goes farther up lies farther out, and two that never meet share a track.
    fn tracks(&self, column: usize) -> Vec<(usize, usize)> {
        let mut spans: Vec<(usize, usize, usize)> = Vec::new();
        for (at, net) in self.nets.iter().enumerate() {
            let levels: Vec<usize> = net.sources.iter().filter(|source| source.column == column).map(|source| source.level).collect();
            if let (Some(&low), Some(&high)) = (levels.iter().min(), levels.iter().max()) {
                spans.push((at, low.min(net.level), high.max(net.level)));
            }
        }
        spans.sort_by_key(|&(net, low, high)| (std::cmp::Reverse(low), high, net));
        let spans: Vec<(usize, (usize, usize))> = spans.into_iter().map(|(net, low, high)| (net, (low, high))).collect();
        lanes(&spans)
    }
}

/// Gives each span the first lane in which it touches none that came before it.
pub(super) fn lanes<T: PartialOrd + Copy>(spans: &[(usize, (T, T))]) -> Vec<(usize, usize)> {
    let mut taken: Vec<Vec<(T, T)>> = Vec::new();
    let mut given = Vec::new();
    for &(net, span) in spans {
        let free = |lane: &Vec<(T, T)>| lane.iter().all(|other| span.1 < other.0 || other.1 < span.0);
        let lane = taken.iter().position(free).unwrap_or(taken.len());
        match taken.get_mut(lane) {
            Some(spans) => spans.push(span),
            None => taken.push(vec![span]),
        }
        given.push((net, lane));
    }
    given
}

pub(super) fn class(gateway: &Gateway) -> &'static str {
    match gateway.kind {
        GatewayKind::Internet => "gateway-internet",
        GatewayKind::EgressOnly => "gateway-egress-only",
        GatewayKind::Nat => "gateway-nat",
        GatewayKind::Transit | GatewayKind::Other => "gateway-other",
    }
}

pub(super) fn line_class(gateway: &Gateway) -> &'static str {
    match gateway.kind {
        GatewayKind::Internet => "to-internet",
        GatewayKind::EgressOnly => "to-egress-only",
        GatewayKind::Nat => "to-nat",
        GatewayKind::Transit | GatewayKind::Other => "to-other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_meet_get_lanes_of_their_own() {
        assert_eq!(lanes(&[(0, (2, 5)), (1, (0, 1)), (2, (1, 3))]), [(0, 0), (1, 0), (2, 1)]);
    }
}
