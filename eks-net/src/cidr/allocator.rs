//! An allocator of blocks, for one VPC or for an IPAM of a million.

use std::{collections::BTreeMap, fmt};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    Space,
    tree::{Tree, Which},
};

/// A block of one address family: [`Ipv4Net`] or [`Ipv6Net`].
pub trait Block: Copy + Ord + fmt::Debug + fmt::Display + Into<IpNet> {
    /// Bits of an address.
    const WIDTH: u8;

    /// The first address, its first bit as the first of 128, and the prefix length.
    fn split(self) -> (u128, u8);

    /// The block of such a first address and a prefix length of at most [`WIDTH`](Self::WIDTH).
    fn join(at: u128, prefix: u8) -> Self;
}

impl Block for Ipv4Net {
    const WIDTH: u8 = 32;

    fn split(self) -> (u128, u8) {
        (u128::from(u32::from(self.network())) << 96, self.prefix_len())
    }

    fn join(at: u128, prefix: u8) -> Self {
        Self::new_assert(((at >> 96) as u32).into(), prefix)
    }
}

impl Block for Ipv6Net {
    const WIDTH: u8 = 128;

    fn split(self) -> (u128, u8) {
        (self.network().into(), self.prefix_len())
    }

    fn join(at: u128, prefix: u8) -> Self {
        Self::new_assert(at.into(), prefix)
    }
}

/// Hands out aligned blocks that never overlap, and takes them back.
///
/// It keeps the free space as the largest aligned blocks that it consists of, by size and address: the buddy system. An
/// operation on one block takes time by the length of an address, not by the number of blocks. What is handed out depends on what is allocated now, not on how it came to be.
///
/// ```
/// use eks_net::Allocator;
/// use ipnet::Ipv4Net;
///
/// let mut vpc = Allocator::<Ipv4Net>::new("10.0.0.0/16".parse()?);
/// vpc.take("10.0.0.0/24".parse()?)?;
/// // The smallest free block that suffices is cut: the /24 beside the one that is taken.
/// assert_eq!(vpc.allocate(26), Some("10.0.1.0/26".parse()?));
/// assert_eq!(vpc.allocate(20), Some("10.0.16.0/20".parse()?));
/// assert_eq!(vpc.largest_free(), Some("10.0.128.0/17".parse()?));
/// vpc.release("10.0.0.0/24".parse()?)?;
/// assert_eq!(vpc.iter().map(|block| block.to_string()).collect::<Vec<_>>(), ["10.0.1.0/26", "10.0.16.0/20"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Likewise for the /64s of a VPC's IPv6 block:
///
/// ```
/// # use eks_net::Allocator;
/// # use ipnet::Ipv6Net;
/// let mut vpc = Allocator::<Ipv6Net>::new("2001:db8:1234:1a00::/56".parse()?);
/// assert_eq!(vpc.allocate(64), Some("2001:db8:1234:1a00::/64".parse()?));
/// assert_eq!(vpc.allocate(64), Some("2001:db8:1234:1a01::/64".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Allocator<N: Block> {
    /// The blocks managed, by address, and what is in each.
    roots: Vec<(N, Tree)>,
}

impl<N: Block> Allocator<N> {
    /// All of `block` is free.
    pub fn new(block: N) -> Self {
        let (at, prefix) = block.split();
        Self { roots: vec![(N::join(at, prefix), Tree::new(N::WIDTH - prefix))] }
    }

    /// Several blocks, such as all of a VPC. No block is cut across two of them, even where they touch.
    ///
    /// # Errors
    /// [`AllocatorError::Overlaps`] if two of them overlap.
    pub fn over(blocks: impl IntoIterator<Item = N>) -> Result<Self, AllocatorError> {
        let mut blocks: Vec<N> = blocks.into_iter().collect();
        blocks.sort_unstable_by_key(|block| block.split());
        if let Some(pair) = blocks.windows(2).find(|pair| overlap(pair[0], pair[1])) {
            return Err(AllocatorError::Overlaps { block: pair[1].into(), other: pair[0].into() });
        }
        Ok(Self { roots: blocks.into_iter().flat_map(|block| Self::new(block).roots).collect() })
    }

    /// What is free in `blocks` beside `taken`, such as in an existing VPC beside its subnets. Those outside of `blocks` do not
    /// count, and of those that overlap, the larger ones.
    ///
    /// ```
    /// # use eks_net::Allocator;
    /// # use ipnet::Ipv4Net;
    /// let vpc: Ipv4Net = "10.0.0.0/24".parse()?;
    /// let subnets: [Ipv4Net; 2] = ["10.0.0.0/26".parse()?, "10.0.0.128/25".parse()?];
    /// assert!(Allocator::around([vpc], subnets)?.free().eq(["10.0.0.64/26".parse()?]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AllocatorError::Overlaps`] if two of `blocks` overlap.
    pub fn around(blocks: impl IntoIterator<Item = N>, taken: impl IntoIterator<Item = N>) -> Result<Self, AllocatorError> {
        let mut allocator = Self::over(blocks)?;
        let mut taken: Vec<N> = taken.into_iter().collect();
        taken.sort_unstable_by_key(|block| block.split().1);
        for block in taken {
            // What cannot be taken is taken already, or elsewhere.
            let _ = allocator.take(block);
        }
        Ok(allocator)
    }

    /// The root around an address: its place, prefix length, and the address in it.
    fn root(&self, at: u128) -> Option<(usize, u8, u128)> {
        let place = self.roots.partition_point(|(root, _)| root.split().0 <= at).checked_sub(1)?;
        let (start, prefix) = self.roots[place].0.split();
        (starts(at, prefix) == start).then(|| (place, prefix, inside(at, prefix)))
    }

    /// Likewise of a block that is inside it; the size is what its prefix length is beyond the root's.
    fn find(&self, block: N) -> Option<(usize, u128, u8)> {
        let (at, prefix) = block.split();
        let (place, root, at) = self.root(at)?;
        Some((place, at, prefix.checked_sub(root)?))
    }

    /// The block of this address and size in a root.
    fn block(root: N, at: u128, size: u8) -> N {
        let (start, prefix) = root.split();
        N::join(start | at.checked_shr(prefix.into()).unwrap_or(0), prefix + size)
    }

    /// A block of this prefix length: the lower end of the smallest free block that suffices, of several the one with the lowest
    /// address. `None` if there is none.
    pub fn allocate(&mut self, prefix: u8) -> Option<N> {
        if prefix > N::WIDTH {
            return None;
        }
        let mut best: Option<(u8, usize)> = None;
        for (place, (root, tree)) in self.roots.iter().enumerate() {
            let root = root.split().1;
            let found = prefix.checked_sub(root).and_then(|size| tree.sufficient(size)).map(|size| root + size);
            if let Some(found) = found.filter(|found| best.is_none_or(|(other, _)| *found > other)) {
                best = Some((found, place));
            }
        }
        let (from, place) = best?;
        Some(self.cut(place, from, prefix))
    }

    /// A block of this prefix length: the one with the lowest address. It splits large free blocks sooner than
    /// [`allocate`](Self::allocate), but never depends on how what lies behind is split.
    pub fn allocate_lowest(&mut self, prefix: u8) -> Option<N> {
        let has = |(root, tree): &(N, Tree)| {
            let size = prefix.min(N::WIDTH).checked_sub(root.split().1);
            size.and_then(|size| tree.sufficient(size)).is_some()
        };
        let place = self.roots.iter().position(has).filter(|_| prefix <= N::WIDTH)?;
        let (root, tree) = &self.roots[place];
        let root = root.split().1;
        let sizes = (0..=prefix - root).filter(|size| tree.free()[usize::from(*size)] > 0);
        let (_, from) = sizes.map(|size| (tree.lowest(size), size)).min()?;
        Some(self.cut(place, root + from, prefix))
    }

    /// Allocates the lower end of the lowest free block of the prefix length `from` in a root.
    fn cut(&mut self, place: usize, from: u8, prefix: u8) -> N {
        let (root, tree) = &mut self.roots[place];
        let base = root.split().1;
        let at = tree.allocate(from - base, prefix - base);
        Self::block(*root, at, prefix - base)
    }

    /// Allocates this very block.
    ///
    /// # Errors
    /// [`AllocatorError::Outside`] if it is not inside a block of the allocator, [`AllocatorError::Overlaps`] if part of it is
    /// allocated.
    pub fn take(&mut self, block: N) -> Result<(), AllocatorError> {
        let (place, at, size) = self.find(block).ok_or(AllocatorError::Outside { block: block.into() })?;
        let tree = &mut self.roots[place].1;
        if let Some(from) = tree.holder(at, size, Which::Free) {
            tree.take(at, from, size);
            return Ok(());
        }
        let other = self.overlapping(block).next().unwrap_or(block);
        Err(AllocatorError::Overlaps { block: block.into(), other: other.into() })
    }

    /// Gives a block back. It must be as it was allocated, not a part of it.
    ///
    /// # Errors
    /// [`AllocatorError::NotAllocated`].
    pub fn release(&mut self, block: N) -> Result<(), AllocatorError> {
        let found = self.find(block).filter(|(place, at, size)| self.roots[*place].1.holder(*at, *size, Which::Live) == Some(*size));
        let (place, at, size) = found.ok_or(AllocatorError::NotAllocated { block: block.into() })?;
        self.roots[place].1.free_again(at, size);
        Ok(())
    }

    /// Whether all of a block is free.
    pub fn is_free(&self, block: N) -> bool {
        self.find(block).is_some_and(|(place, at, size)| self.roots[place].1.holder(at, size, Which::Free).is_some())
    }

    /// Whether this very block is allocated.
    pub fn contains(&self, block: N) -> bool {
        self.find(block).is_some_and(|(place, at, size)| self.roots[place].1.holder(at, size, Which::Live) == Some(size))
    }

    /// The allocated blocks that share addresses with this one, by address.
    pub fn overlapping(&self, block: N) -> impl Iterator<Item = N> + '_ {
        let (at, prefix) = block.split();
        let touched = self.roots.iter().filter(move |(root, _)| overlap(*root, block));
        touched.flat_map(move |(root, tree)| {
            // All of the root, or the part of it around `at`, which may be part of an allocated block.
            let base = root.split().1;
            let (at, size) = prefix.checked_sub(base).map_or((0, 0), |size| (inside(at, base), size));
            let size = tree.holder(at, size, Which::Live).unwrap_or(size);
            tree.blocks(at, size, Which::Live).map(|(at, size)| Self::block(*root, at, size))
        })
    }

    /// The allocated blocks, by address.
    pub fn iter(&self) -> impl Iterator<Item = N> + '_ {
        self.all(Which::Live)
    }

    /// The largest aligned blocks that the free space consists of, by address.
    pub fn free(&self) -> impl Iterator<Item = N> + '_ {
        self.all(Which::Free)
    }

    fn all(&self, which: Which) -> impl Iterator<Item = N> + '_ {
        self.roots.iter().flat_map(move |(root, tree)| tree.blocks(0, 0, which).map(|(at, size)| Self::block(*root, at, size)))
    }

    /// How many blocks are allocated.
    pub fn len(&self) -> usize {
        self.roots.iter().map(|(_, tree)| tree.live()).sum()
    }

    /// Whether nothing is allocated.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The largest free block, of several the one with the lowest address.
    pub fn largest_free(&self) -> Option<N> {
        let largest = |(root, tree): &(N, Tree)| {
            let size = tree.free().iter().position(|count| *count > 0).and_then(|size| u8::try_from(size).ok())?;
            Some((root.split().1 + size, Self::block(*root, tree.lowest(size), size)))
        };
        self.roots.iter().filter_map(largest).min().map(|(_, block)| block)
    }

    /// How much is used and free, and in which pieces.
    pub fn space(&self) -> Space {
        let mut free = BTreeMap::new();
        for (root, tree) in &self.roots {
            for (prefix, count) in (root.split().1..).zip(tree.free()).filter(|(_, count)| **count > 0) {
                *free.entry(prefix).or_default() += *count as usize;
            }
        }
        Space::new(N::WIDTH, self.roots.iter().map(|(root, _)| (*root).into()).collect(), self.len(), free)
    }
}

/// The first address of the block of this prefix length around an address.
fn starts(at: u128, prefix: u8) -> u128 {
    at & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

/// What is left of an address without this prefix.
fn inside(at: u128, prefix: u8) -> u128 {
    at.checked_shl(prefix.into()).unwrap_or(0)
}

/// Whether two blocks share an address. One then holds the other.
fn overlap<N: Block>(one: N, other: N) -> bool {
    let ((one, of_one), (other, of_other)) = (one.split(), other.split());
    let prefix = of_one.min(of_other);
    starts(one, prefix) == starts(other, prefix)
}

/// What an [`Allocator`] does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllocatorError {
    /// The block is not inside those of the allocator.
    Outside {
        /// The block.
        block: IpNet,
    },
    /// The block shares addresses with another.
    Overlaps {
        /// The block.
        block: IpNet,
        /// The other one.
        other: IpNet,
    },
    /// The block was not allocated as it is.
    NotAllocated {
        /// The block.
        block: IpNet,
    },
}

impl fmt::Display for AllocatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside { block } => write!(f, "{block} is not inside the allocator's blocks"),
            Self::Overlaps { block, other } => write!(f, "{block} overlaps {other}"),
            Self::NotAllocated { block } => write!(f, "{block} is not allocated"),
        }
    }
}

impl std::error::Error for AllocatorError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_refused_is_told() {
        let mut allocator = Allocator::over([net("10.0.0.0/24"), net("10.0.1.0/24")]).unwrap();
        // They touch, and are two blocks all the same.
        assert_eq!(allocator.allocate(23), None);
        assert_eq!(allocator.take(net("10.0.0.0/23")).unwrap_err().to_string(), "10.0.0.0/23 is not inside the allocator's blocks");
        assert_eq!(allocator.take(net("10.0.0.0/25")), Ok(()));
        assert_eq!(allocator.take(net("10.0.0.64/26")).unwrap_err().to_string(), "10.0.0.64/26 overlaps 10.0.0.0/25");
        assert_eq!(allocator.take(net("10.0.0.0/24")).unwrap_err().to_string(), "10.0.0.0/24 overlaps 10.0.0.0/25");
        assert_eq!(allocator.release(net("10.0.0.0/26")).unwrap_err().to_string(), "10.0.0.0/26 is not allocated");
        assert_eq!(allocator.release(net("10.0.0.0/24")).unwrap_err().to_string(), "10.0.0.0/24 is not allocated");
        assert_eq!(allocator.release(net("10.0.9.0/24")).unwrap_err().to_string(), "10.0.9.0/24 is not allocated");
        assert_eq!(allocator.allocate(33), None);
        assert_eq!(allocator.overlapping(net("10.0.0.0/8")).collect::<Vec<_>>(), [net("10.0.0.0/25")]);
        assert_eq!(Allocator::over([net("10.0.0.0/24"), net("10.0.0.0/16")]).unwrap_err().to_string(), "10.0.0.0/24 overlaps 10.0.0.0/16");
        assert!(Allocator::<Ipv4Net>::over([]).unwrap().allocate(32).is_none());
    }

    #[test]
    fn from_everything_to_one_address() {
        let mut all = Allocator::<Ipv6Net>::new("::/0".parse().unwrap());
        let one: Ipv6Net = "ffff::1/128".parse().unwrap();
        all.take(one).unwrap();
        assert_eq!(all.free().count(), 128);
        assert_eq!(all.allocate(128), Some("ffff::/128".parse().unwrap()));
        assert_eq!(all.largest_free(), Some("::/1".parse().unwrap()));
        all.release("ffff::/128".parse().unwrap()).unwrap();
        all.release(one).unwrap();
        assert!(all.is_empty() && all.free().eq(["::/0".parse().unwrap()]));
        assert_eq!(all.allocate(0), Some("::/0".parse().unwrap()));
        assert_eq!(all.allocate(128), None);
    }

    /// What an allocator does, found by looking at each of the 256 addresses of a /24.
    struct BruteForce {
        /// The root that each address is in, and whether a live block has it.
        addresses: Vec<(Option<usize>, bool)>,
        live: Vec<Ipv4Net>,
    }

    fn place(block: Ipv4Net) -> std::ops::Range<usize> {
        let start = usize::from(block.network().octets()[3]);
        start..start + (1 << (32 - block.prefix_len()))
    }

    impl BruteForce {
        fn new(roots: &[Ipv4Net]) -> Self {
            let root = |at: usize| roots.iter().position(|root| place(*root).contains(&at));
            Self { addresses: (0..256).map(|at| (root(at), false)).collect(), live: Vec::new() }
        }

        fn is_free(&self, block: Ipv4Net) -> bool {
            let addresses = &self.addresses[place(block)];
            addresses[0].0.is_some() && addresses.iter().all(|(root, live)| *root == addresses[0].0 && !live)
        }

        fn change(&mut self, block: Ipv4Net, live: bool) {
            self.addresses[place(block)].iter_mut().for_each(|address| address.1 = live);
            self.live.retain(|other| *other != block);
            self.live.extend(live.then_some(block));
            self.live.sort();
        }

        /// Every free block of a prefix length, by address.
        fn free(&self, prefix: u8) -> Vec<Ipv4Net> {
            net("10.0.0.0/24").subnets(prefix).unwrap().filter(|block| self.is_free(*block)).collect()
        }

        /// Those that are not inside a larger one, by address.
        fn largest(&self, within: Ipv4Net) -> Vec<Ipv4Net> {
            if self.is_free(within) {
                return vec![within];
            }
            let halves = within.subnets(within.prefix_len() + 1).into_iter().flatten();
            halves.flat_map(|half| self.largest(half)).collect()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn it_does_what_trying_everything_finds(
            roots in 0..4_usize,
            steps in proptest::collection::vec((0..5_u8, 0..=255_u8, 24..=32_u8), 1..30),
        ) {
            let roots = [&["10.0.0.0/24"][..], &["10.0.0.0/25", "10.0.0.128/25"], &["10.0.0.192/26", "10.0.0.0/25"], &["10.0.0.0/32"]][roots];
            let roots: Vec<Ipv4Net> = roots.iter().map(|text| net(text)).collect();
            let mut allocator = Allocator::over(roots.iter().copied()).unwrap();
            let mut oracle = BruteForce::new(&roots);
            for (step, at, prefix) in steps {
                let block = Ipv4Net::new([10, 0, 0, at].into(), prefix).unwrap().trunc();
                match step {
                    0 => {
                        let found = allocator.allocate_lowest(prefix);
                        prop_assert_eq!(found, oracle.free(prefix).first().copied());
                        found.into_iter().for_each(|found| oracle.change(found, true));
                    }
                    1 | 2 => {
                        let found = allocator.allocate(prefix);
                        let sufficient = oracle.largest(net("10.0.0.0/24")).into_iter().filter(|free| free.prefix_len() <= prefix);
                        let best = sufficient.min_by_key(|free| (std::cmp::Reverse(free.prefix_len()), free.network()));
                        prop_assert_eq!(found, best.map(|free| Ipv4Net::new(free.network(), prefix).unwrap()));
                        found.into_iter().for_each(|found| oracle.change(found, true));
                    }
                    3 => {
                        let free = oracle.is_free(block);
                        prop_assert_eq!(allocator.take(block).is_ok(), free);
                        if free {
                            oracle.change(block, true);
                        }
                    }
                    _ => {
                        let block = oracle.live.get(usize::from(at) % oracle.live.len().max(1)).copied().unwrap_or(block);
                        let known = oracle.live.contains(&block);
                        prop_assert_eq!(allocator.release(block).is_ok(), known);
                        if known {
                            oracle.change(block, false);
                        }
                    }
                }
                prop_assert_eq!(allocator.is_free(block), oracle.is_free(block));
                prop_assert_eq!(allocator.contains(block), oracle.live.contains(&block));
                let touches = |live: &Ipv4Net| place(*live).any(|at| place(block).contains(&at));
                let touching: Vec<Ipv4Net> = oracle.live.iter().copied().filter(touches).collect();
                prop_assert_eq!(allocator.overlapping(block).collect::<Vec<_>>(), touching);
            }
            prop_assert!(allocator.iter().eq(oracle.live.iter().copied()));
            prop_assert_eq!(allocator.len(), oracle.live.len());
            let largest = oracle.largest(net("10.0.0.0/24"));
            prop_assert!(allocator.free().eq(largest.iter().copied()));
            prop_assert_eq!(allocator.largest_free(), largest.iter().min_by_key(|free| (free.prefix_len(), free.network())).copied());
            let space = allocator.space();
            let used: u128 = oracle.live.iter().map(|block| 1 << (32 - block.prefix_len())).sum();
            prop_assert_eq!((space.allocated, space.used), (oracle.live.len(), used));
            prop_assert_eq!(space.fits(30), u128::try_from(oracle.free(30).len()).unwrap());
            // Given all back, it is as new.
            for block in oracle.live.drain(..) {
                prop_assert!(allocator.release(block).is_ok());
            }
            prop_assert!(allocator.is_empty() && allocator.free().count() == roots.len());
        }

    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        /// Over a space of many levels, where trying everything is out of reach: blocks are apart, and nothing is lost.
        #[test]
        fn nothing_is_lost_in_large_spaces(steps in proptest::collection::vec((any::<bool>(), 1..=128_u8, any::<u128>()), 1..60)) {
            let mut allocator = Allocator::<Ipv6Net>::new("::/0".parse().unwrap());
            let mut live: Vec<Ipv6Net> = Vec::new();
            for (take, prefix, at) in steps {
                let block = Ipv6Net::new(at.into(), prefix).unwrap().trunc();
                if take {
                    let free = live.iter().all(|other| !other.contains(&block) && !block.contains(other));
                    prop_assert_eq!(allocator.take(block).is_ok(), free);
                    live.extend(free.then_some(block));
                } else if !live.is_empty() {
                    let gone = live.swap_remove(usize::try_from(at % 1_000).unwrap() % live.len());
                    prop_assert!(allocator.release(gone).is_ok());
                }
                live.sort();
                prop_assert!(allocator.iter().eq(live.iter().copied()));
            }
            // Free and live blocks, by address, follow each other without a gap.
            let mut all: Vec<Ipv6Net> = allocator.iter().chain(allocator.free()).collect();
            all.sort_by_key(Ipv6Net::network);
            let mut next = Some(0_u128);
            for block in all {
                prop_assert_eq!(next, Some(block.network().into()));
                next = u128::from(block.broadcast()).checked_add(1);
            }
            prop_assert_eq!(next, None);
        }
    }
}
