//! Which captions of a split are right for which of its images.

/// Ascending numbers of every item, one list behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lists {
    /// Where each list begins, and the end.
    starts: Vec<usize>,
    items: Vec<u32>,
}

impl Lists {
    fn new(lists: impl IntoIterator<Item = Vec<u32>>) -> Self {
        let (mut starts, mut items) = (vec![0], Vec::new());
        for list in lists {
            items.extend(list);
            starts.push(items.len());
        }
        Self { starts, items }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn of(&self, at: usize) -> &[u32] {
        &self.items[self.starts[at]..self.starts[at + 1]]
    }

    /// The lists of the items that these lists name.
    fn turned(&self, items: usize) -> Self {
        let mut lists = vec![Vec::new(); items];
        for at in 0..self.len() {
            for &item in self.of(at) {
                lists[item as usize].push(at as u32);
            }
        }
        Self::new(lists)
    }
}

/// The ground truth of a split. A caption may be right for many images (all views of a product, and every product that carries it) and
/// an image may have any number of captions: whichever of them is found first counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    by_caption: Lists,
    by_image: Lists,
    groups: Vec<u32>,
    /// Consecutive captions of each image, where all have as many and share none.
    per_image: Option<usize>,
}

impl Truth {
    /// The published layout: caption c belongs to image c / `per_image`.
    pub fn consecutive(images: usize, per_image: usize) -> Self {
        let of = |caption: usize| vec![(caption / per_image) as u32];
        let by_caption = Lists::new((0..images * per_image).map(of));
        Self {
            by_image: by_caption.turned(images),
            by_caption,
            groups: (0..images as u32).collect(),
            per_image: Some(per_image),
        }
    }

    /// The images of every caption.
    pub fn listed(images: usize, images_of: Vec<Vec<u32>>) -> Self {
        let by_caption = Lists::new(images_of.into_iter().map(|mut list| {
            list.sort_unstable();
            list.dedup();
            list
        }));
        let by_image = by_caption.turned(images);
        // Images that a chain of common captions connects, by the first of them.
        let mut parent: Vec<usize> = (0..images).collect();
        fn root(parent: &mut [usize], mut at: usize) -> usize {
            while parent[at] != at {
                parent[at] = parent[parent[at]];
                at = parent[at];
            }
            at
        }
        for caption in 0..by_caption.len() {
            for pair in by_caption.of(caption).windows(2) {
                let (a, b) = (
                    root(&mut parent, pair[0] as usize),
                    root(&mut parent, pair[1] as usize),
                );
                parent[a.max(b)] = a.min(b);
            }
        }
        let groups = (0..images).map(|image| root(&mut parent, image) as u32).collect();
        Self {
            by_caption,
            by_image,
            groups,
            per_image: None,
        }
    }

    /// How many images there are.
    pub fn images(&self) -> usize {
        self.by_image.len()
    }

    /// How many captions there are.
    pub fn captions(&self) -> usize {
        self.by_caption.len()
    }

    /// The captions of an image, ascending.
    pub fn captions_of(&self, image: usize) -> &[u32] {
        self.by_image.of(image)
    }

    /// The images of a caption, ascending.
    pub fn images_of(&self, caption: usize) -> &[u32] {
        self.by_caption.of(caption)
    }

    /// Whether they belong together.
    pub fn is_right(&self, image: usize, caption: usize) -> bool {
        self.images_of(caption).binary_search(&(image as u32)).is_ok()
    }

    /// How many captions each image has to itself, where that is one number.
    pub fn per_image(&self) -> Option<usize> {
        self.per_image
    }

    /// True pairs of an image and a caption, counted caption by caption.
    pub fn pairs(&self) -> usize {
        self.by_caption.items.len()
    }

    /// The image and the caption of a pair.
    pub fn pair(&self, number: usize) -> (usize, usize) {
        let behind = self.by_caption.starts.partition_point(|&start| start <= number);
        (self.by_caption.items[number] as usize, behind - 1)
    }

    /// What a bootstrap draws together: an image's number, or that of the first image that it shares a caption with, directly or by
    /// others.
    pub fn group_of_image(&self, image: usize) -> u32 {
        self.groups[image]
    }

    /// The group of a caption's images; none of a caption without images.
    pub fn group_of_caption(&self, caption: usize) -> Option<u32> {
        let first = self.images_of(caption).first()?;
        Some(self.groups[*first as usize])
    }

    /// The first so many captions with their images; an image that is begun is kept whole. For the published layout.
    pub(super) fn keep(&self, captions: usize) -> Self {
        match self.per_image {
            Some(per_image) => Self::consecutive(captions.div_ceil(per_image).min(self.images()), per_image),
            None => self.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_captions_have_an_image_each() {
        let truth = Truth::consecutive(3, 2);
        assert_eq!((truth.images(), truth.captions(), truth.pairs()), (3, 6, 6));
        assert_eq!(truth.captions_of(1), [2, 3]);
        assert_eq!(truth.images_of(5), [2]);
        assert!(truth.is_right(2, 4) && !truth.is_right(1, 4));
        assert_eq!(truth.pair(3), (1, 3));
        assert_eq!((truth.group_of_image(2), truth.group_of_caption(4)), (2, Some(2)));
        let kept = truth.keep(3);
        assert_eq!((kept.images(), kept.captions()), (2, 4));
        assert_eq!(truth.keep(100), truth);
    }

    #[test]
    fn a_caption_of_several_images_is_right_for_each() {
        // Images 0 and 1 show a product "armchair", 2 and 3 another; both are a "chair"; 4 is a "lamp".
        let truth = Truth::listed(5, vec![vec![1, 0], vec![0, 1, 2, 3, 3], vec![4]]);
        assert_eq!(truth.captions_of(0), [0, 1]);
        assert_eq!(truth.captions_of(3), [1]);
        assert_eq!(truth.images_of(1), [0, 1, 2, 3]);
        assert_eq!(truth.pairs(), 7);
        let pairs: Vec<_> = (0..7).map(|pair| truth.pair(pair)).collect();
        assert_eq!(pairs, [(0, 0), (1, 0), (0, 1), (1, 1), (2, 1), (3, 1), (4, 2)]);
        // The chairs are drawn together.
        let groups: Vec<u32> = (0..5).map(|image| truth.group_of_image(image)).collect();
        assert_eq!(groups, [0, 0, 0, 0, 4]);
        assert_eq!(truth.group_of_caption(2), Some(4));
        assert_eq!(truth.per_image(), None);
    }
}
