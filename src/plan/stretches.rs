//! Stretches of an order: as long as the same fixes stand there on the same paths, what was found out about all of their
//! places stands too, and is asked for once.

use super::chains::Marks;
use super::remembered::Key;
use super::replay::Replay;

/// Places of one stretch. What is behind the last whole one is asked for place by place.
pub(super) const LENGTH: usize = 8;

/// The keys of the stretches of an order, one after the other.
pub(super) struct Stretches<'m> {
    what: &'static str,
    marks: &'m Marks<'m>,
    /// By group: the place that touched it last.
    last: Vec<u32>,
    key: Option<Key>,
    place: u32,
    said: Vec<u8>,
}

impl<'m> Stretches<'m> {
    /// `what` is the question; none where no later run asks.
    pub(super) fn new(what: &'static str, replay: &'m Replay<'_>) -> Option<Self> {
        let marks = replay.marks.as_ref().filter(|m| m.last())?;
        let key = Some(Key::of(what, LENGTH));
        Some(Self { what, marks, last: vec![u32::MAX; replay.groups.len()], key, place: 0, said: Vec::new() })
    }

    /// The key of the next stretch: that of everything before it, its fixes, and which fixes stood on their paths last.
    /// `also` is what else the question names at each place. None from where something has no key.
    pub(super) fn next<'a>(
        &mut self,
        replay: &Replay<'_>,
        fixes: &[usize],
        also: impl Fn(usize) -> &'a [usize],
    ) -> Option<Key> {
        let before = self.key.take()?;
        self.said.clear();
        for (k, fix) in fixes.iter().enumerate() {
            self.say(self.marks.does(*fix));
            for g in &replay.of_fix[*fix] {
                self.say(self.marks.start(*g)?);
                let last = std::mem::replace(&mut self.last[*g], self.place);
                self.said.extend_from_slice(&last.to_le_bytes());
            }
            for place in [&[usize::MAX], also(k)].into_iter().flatten() {
                self.said.extend_from_slice(&place.to_le_bytes());
            }
            self.place += 1;
        }
        self.key = Some(Key::of(self.what, (before, &self.said)));
        self.key
    }

    fn say(&mut self, key: Key) {
        self.said.extend_from_slice(&key.begins::<16>());
    }
}

/// Numbers in lists, one a place, as they are remembered.
pub(super) fn written(lists: &[Vec<usize>]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for list in lists {
        for n in [list.len()].iter().chain(list) {
            out.extend_from_slice(&u32::try_from(*n).ok()?.to_le_bytes());
        }
    }
    Some(out)
}

/// What [`written`] gave: as many lists as there are places from `first` on, each ascending and of places before its own.
pub(super) fn read(bytes: &[u8], first: usize, places: usize) -> Option<Vec<Vec<usize>>> {
    let mut numbers = bytes.chunks(4).map(|n| n.try_into().ok().map(|n| u32::from_le_bytes(n) as usize));
    let mut out = Vec::with_capacity(places);
    for place in first..first + places {
        let length = numbers.next()??;
        let list = numbers.by_ref().take(length).collect::<Option<Vec<_>>>()?;
        let right = list.len() == length && list.is_sorted_by(|a, b| a < b) && list.iter().all(|n| *n < place);
        out.push(right.then_some(list)?);
    }
    numbers.next().is_none().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back_as_they_were_and_nothing_else_is_one() {
        let lists = vec![vec![], vec![0, 3], vec![4]];
        let bytes = written(&lists).unwrap();
        assert_eq!(read(&bytes, 4, 3), Some(lists));
        assert_eq!(read(&bytes, 2, 3), None, "a place that does not come before");
        assert_eq!(read(&bytes, 4, 2), None, "more than was asked for");
        (0..bytes.len()).for_each(|cut| assert_eq!(read(&bytes[..cut], 4, 3), None, "cut at {cut}"));
        assert_eq!(read(&written(&[vec![3, 0]]).unwrap(), 4, 1), None, "not ascending");
    }
}
