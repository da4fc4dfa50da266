//! Which blocks inside one block are free and which are allocated: the buddy system, in bitmaps.
//!
//! A node stands for six bits of the address: the halves, quarters, … sixty-fourths of its block. They are numbered as in a
//! heap: the block itself is 1, the halves of number n are 2n and 2n + 1. Two bitmaps say which of these 127 are free, and which
//! are allocated, as a whole. A sixty-fourth that is neither has a node of its own, which no longer has the number 1. A node
//! also knows which of the nodes below it hold free blocks of which size. So every operation goes down and up one path, of at
//! most six nodes in IPv4, and a million blocks fit into a few megabytes.
//!
//! Here an address is 128 bits, shifted left so that the prefix of the whole is gone, and a size is a prefix length less that
//! of the whole.

/// Bits of the address in one node.
const STRIDE: u8 = 6;

/// The numbers of each level of a node.
const LEVELS: [u128; 7] = {
    let mut levels = [0; 7];
    let mut bits = 0;
    while bits < 7 {
        let count = 1 << bits;
        levels[bits] = (u128::MAX >> (128 - count)) << count;
        bits += 1;
    }
    levels
};

/// For each sixty-fourth of a node, the numbers of the blocks that hold it.
const HOLDERS: [u128; 64] = {
    let mut holders = [0; 64];
    let mut leaf = 0;
    while leaf < 64 {
        let mut number = 64 + leaf;
        while number > 0 {
            holders[leaf] |= 1 << number;
            number /= 2;
        }
        leaf += 1;
    }
    holders
};

/// The nodes from the uppermost down to one.
type Trail = [u32; 22];

/// How many nodes lie above the one that has blocks of this size.
fn depth(size: u8) -> u8 {
    size.saturating_sub(1) / STRIDE
}

/// The sixty-fourth of the node at this depth that an address lies in.
fn digit(at: u128, depth: u8) -> u8 {
    // Six bits. Half of the address is faster, and all that IPv4 has.
    if depth < 10 {
        return (((at >> 64) as u64) << (STRIDE * depth) >> (64 - STRIDE)) as u8;
    }
    (at << (STRIDE * depth) >> (128 - STRIDE)) as u8
}

/// The number, in its node, of the block of this size around an address.
fn number(at: u128, size: u8) -> u8 {
    let (depth, bits) = (depth(size), size - STRIDE * depth(size));
    1 << bits | digit(at, depth) >> (STRIDE - bits)
}

/// The first address of the block of this size around an address.
fn around(at: u128, size: u8) -> u128 {
    at & u128::MAX.checked_shl(128 - u32::from(size)).unwrap_or(0)
}

#[derive(Clone, Debug, Default)]
struct Node {
    free: u128,
    live: u128,
    below: Option<Box<Below>>,
}

impl Node {
    fn has(&self, which: Which) -> u128 {
        if which == Which::Free { self.free } else { self.live }
    }
}

/// The nodes below one.
#[derive(Clone, Debug)]
struct Below {
    /// For each size that the nodes below have, which of them hold free blocks of it: all sizes of IPv4.
    free: [u64; 26],
    /// The sizes beyond.
    smaller: Vec<u64>,
    /// Where the node of each sixty-fourth is; 0 if it has none.
    nodes: [u32; 64],
}

#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// The first is the uppermost; it alone has the number 1.
    nodes: Vec<Node>,
    /// Nodes that are not in use.
    spare: Vec<u32>,
    /// How many free blocks there are of each size.
    free: [u32; 129],
    smallest: u8,
    live: usize,
}

impl Tree {
    /// All is free, down to blocks of this size.
    pub(crate) fn new(smallest: u8) -> Self {
        let mut free = [0; 129];
        free[0] = 1;
        let mut nodes = Vec::with_capacity(8);
        nodes.push(Node { free: 0b10, ..Node::default() });
        Self { nodes, spare: Vec::new(), free, smallest, live: 0 }
    }

    /// How many free blocks there are of each size.
    pub(crate) fn free(&self) -> &[u32] {
        &self.free[..=usize::from(self.smallest)]
    }

    /// How many blocks are allocated.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// The largest of the sizes up to this one, so the smallest block that suffices, of which there is a free block.
    pub(crate) fn sufficient(&self, size: u8) -> Option<u8> {
        (0..=size).rev().find(|size| self.free[usize::from(*size)] > 0)
    }

    /// The free block of this size with the lowest address; there is one.
    pub(crate) fn lowest(&self, size: u8) -> u128 {
        self.trail_to_lowest(size).0
    }

    fn trail_to_lowest(&self, size: u8) -> (u128, Trail) {
        let (mut at, mut node, last) = (0, &self.nodes[0], depth(size));
        let mut trail = Trail::default();
        for depth in 0..last {
            let Some(below) = &node.below else { break };
            let digit = below.holders(size, depth).trailing_zeros();
            at |= u128::from(digit) << (128 - STRIDE) >> (STRIDE * depth);
            let child = below.nodes[digit as usize & 63];
            trail[usize::from(depth) + 1] = child;
            node = &self.nodes[child as usize];
        }
        let bits = size - STRIDE * last;
        let number = (node.free & LEVELS[usize::from(bits)]).trailing_zeros();
        // The number less its leading one is the place of the block in its node.
        let place = u128::from(number ^ (1 << bits));
        if size > 0 {
            at |= place << (128 - bits) >> (STRIDE * last);
        }
        (at, trail)
    }

    /// The size of the free or allocated block that holds the block of this size around an address.
    pub(crate) fn holder(&self, at: u128, size: u8, which: Which) -> Option<u8> {
        let (mut node, last) = (&self.nodes[0], depth(size));
        for depth in 0..=last {
            let digit = digit(at, depth);
            let above = if depth == last { u128::MAX >> (127 - number(at, size)) } else { u128::MAX };
            let holders = node.has(which) & HOLDERS[usize::from(digit)] & above;
            if holders != 0 {
                return Some(STRIDE * depth + holders.trailing_zeros().ilog2() as u8);
            }
            if depth < last {
                node = &self.nodes[self.child(node, digit)?];
            }
        }
        None
    }

    fn child(&self, node: &Node, digit: u8) -> Option<usize> {
        let child = node.below.as_ref()?.nodes[usize::from(digit)];
        (child > 0).then_some(child as usize)
    }

    /// The nodes down to the one that has this block, as far as they exist.
    fn trail(&self, at: u128, size: u8) -> Trail {
        let mut trail = Trail::default();
        let mut node = 0;
        for depth in 0..depth(size) {
            let Some(child) = self.child(&self.nodes[node], digit(at, depth)) else { break };
            node = child;
            trail[usize::from(depth) + 1] = child as u32;
        }
        trail
    }

    /// Takes a free block away.
    fn unfree(&mut self, trail: &Trail, at: u128, size: u8) {
        let last = depth(size);
        self.free[usize::from(size)] -= 1;
        let node = &mut self.nodes[trail[usize::from(last)] as usize];
        node.free &= !(1 << number(at, size));
        let mut left = node.free & LEVELS[usize::from(size - STRIDE * last)] != 0;
        for depth in (0..last).rev() {
            if left {
                return;
            }
            if let Some(below) = &mut self.nodes[trail[usize::from(depth)] as usize].below {
                let free = below.of(size, depth);
                *free &= !(1 << digit(at, depth));
                left = *free != 0;
            }
        }
    }

    /// Adds a free block. The node that has it exists.
    fn refree(&mut self, trail: &Trail, at: u128, size: u8) {
        let last = depth(size);
        self.free[usize::from(size)] += 1;
        self.nodes[trail[usize::from(last)] as usize].free |= 1 << number(at, size);
        for depth in (0..last).rev() {
            if let Some(below) = &mut self.nodes[trail[usize::from(depth)] as usize].below {
                let free = below.of(size, depth);
                let known = *free != 0;
                *free |= 1 << digit(at, depth);
                if known {
                    return;
                }
            }
        }
    }

    /// Allocates the block of size `size` around an address inside a free block of size `from`.
    pub(crate) fn take(&mut self, at: u128, from: u8, size: u8) {
        let trail = self.trail(at, from);
        self.cut(&trail, at, from, size);
    }

    /// Allocates a block of size `size` at the lower end of the lowest free block of size `from`, and tells where.
    pub(crate) fn allocate(&mut self, from: u8, size: u8) -> u128 {
        let (at, trail) = self.trail_to_lowest(from);
        self.cut(&trail, at, from, size);
        at
    }

    /// Of every pair of halves on the way from one size to the other, one holds the block, and the other becomes free.
    fn cut(&mut self, trail: &Trail, at: u128, from: u8, size: u8) {
        self.unfree(trail, at, from);
        self.live += 1;
        let (mut node, last) = (0, depth(size));
        for depth in 0..=last {
            let (above, below) = (STRIDE * depth, STRIDE * depth + STRIDE);
            let here = &mut self.nodes[node];
            for half in from.max(above) + 1..=size.min(below) {
                here.free |= 1 << (number(at, half) ^ 1);
                self.free[usize::from(half)] += 1;
            }
            if depth == last {
                here.live |= 1 << number(at, size);
                return;
            }
            let (digit, inner) = (digit(at, depth), here.below.get_or_insert_with(Box::default));
            for half in from.max(below) + 1..=size {
                *inner.of(half, depth) |= 1 << digit;
            }
            node = match trail[usize::from(depth) + 1].max(inner.nodes[usize::from(digit)]) {
                0 => self.grow(node, digit),
                child => child as usize,
            };
        }
    }

    /// A new node below one.
    fn grow(&mut self, node: usize, digit: u8) -> usize {
        let child = self.spare.pop().map_or(self.nodes.len(), |spare| spare as usize);
        if child == self.nodes.len() {
            self.nodes.push(Node::default());
        }
        if let Some(below) = &mut self.nodes[node].below {
            below.nodes[usize::from(digit)] = u32::try_from(child).unwrap_or_default();
        }
        child
    }

    /// Frees an allocated block, and joins it with the other half as long as that is free too.
    pub(crate) fn free_again(&mut self, at: u128, mut size: u8) {
        self.live -= 1;
        let trail = self.trail(at, size);
        let mut last = usize::from(depth(size));
        self.nodes[trail[last] as usize].live &= !(1 << number(at, size));
        while size > 0 && self.nodes[trail[last] as usize].free >> (number(at, size) ^ 1) & 1 == 1 {
            self.unfree(&trail, at ^ 1 << (128 - size), size);
            size -= 1;
            if usize::from(depth(size)) < last {
                // All of the node is free: the one above says so.
                self.nodes[trail[last] as usize] = Node::default();
                self.spare.push(trail[last]);
                last -= 1;
                if let Some(below) = &mut self.nodes[trail[last] as usize].below {
                    below.nodes[usize::from(digit(at, last as u8))] = 0;
                }
            }
        }
        self.refree(&trail, at, size);
    }

    /// The free or allocated blocks inside the block of this size around an address, by address.
    pub(crate) fn blocks(&self, at: u128, size: u8, which: Which) -> Blocks<'_> {
        let node = usize::from(depth(size));
        let node = self.trail(at, size)[node] as usize;
        // Without a node of its own, it is part of a block that is free or allocated as a whole.
        let exists = node > 0 || depth(size) == 0;
        let stack = exists.then(|| (&self.nodes[node], number(at, size), around(at, size), size)).into_iter().collect();
        Blocks { tree: self, which, stack }
    }
}

impl Default for Below {
    fn default() -> Self {
        Self { free: [0; 26], smaller: Vec::new(), nodes: [0; 64] }
    }
}

impl Below {
    /// Which of the nodes hold free blocks of a size, below a node at this depth.
    fn holders(&self, size: u8, depth: u8) -> u64 {
        let index = usize::from(size - STRIDE * depth - STRIDE - 1);
        let smaller = || self.smaller.get(index - self.free.len()).copied().unwrap_or(0);
        self.free.get(index).copied().unwrap_or_else(smaller)
    }

    /// Likewise, to be changed.
    fn of(&mut self, size: u8, depth: u8) -> &mut u64 {
        let index = usize::from(size - STRIDE * depth - STRIDE - 1);
        let Some(beyond) = index.checked_sub(self.free.len()) else { return &mut self.free[index] };
        if self.smaller.len() <= beyond {
            self.smaller.resize(beyond + 1, 0);
        }
        &mut self.smaller[beyond]
    }
}

/// Which blocks are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Free,
    Live,
}

/// Blocks by address: their first addresses and sizes.
#[derive(Clone, Debug)]
pub(crate) struct Blocks<'a> {
    tree: &'a Tree,
    which: Which,
    /// Parts yet to visit, the first on top: node, number there, first address, size.
    stack: Vec<(&'a Node, u8, u128, u8)>,
}

impl Iterator for Blocks<'_> {
    type Item = (u128, u8);

    fn next(&mut self) -> Option<(u128, u8)> {
        while let Some((mut node, mut number, at, size)) = self.stack.pop() {
            if node.has(self.which) >> number & 1 == 1 {
                return Some((at, size));
            }
            if (node.free | node.live) >> number & 1 == 1 || size == self.tree.smallest {
                continue;
            }
            if number >= 64 {
                let Some(child) = self.tree.child(node, number & 63) else { continue };
                (node, number) = (&self.tree.nodes[child], 1);
            }
            let half = 1 << (127 - size);
            self.stack.push((node, 2 * number + 1, at | half, size + 1));
            self.stack.push((node, 2 * number, at, size + 1));
        }
        None
    }
}
