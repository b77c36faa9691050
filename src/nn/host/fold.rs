//! From images to the columns of a product, and back.

use std::ops::Range;

/// What a convolution's windows look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Images.
    pub batch: usize,
    /// Channels of the image.
    pub channels: usize,
    /// Height and width of the image.
    pub image: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps down and right.
    pub stride: [usize; 2],
    /// Zeros above, and left.
    pub padding: [usize; 2],
    /// Zeros below, and right.
    pub after: [usize; 2],
    /// Height and width of the map of windows.
    pub map: [usize; 2],
}

impl Window {
    /// `padding` is that above and left, then that below and right. `None` where no window fits.
    pub fn new(
        [batch, channels, height, width]: [usize; 4],
        kernel: [usize; 2],
        stride: [usize; 2],
        [padding, after]: [[usize; 2]; 2],
    ) -> Option<Self> {
        let image = [height, width];
        let mut map = [0; 2];
        for axis in 0..2 {
            let room = (image[axis] + padding[axis] + after[axis]).checked_sub(kernel[axis])?;
            map[axis] = room.checked_div(stride[axis])? + 1;
        }
        (batch > 0 && channels > 0 && kernel[0] > 0 && kernel[1] > 0).then_some(Self {
            batch,
            channels,
            image,
            kernel,
            stride,
            padding,
            after,
            map,
        })
    }

    /// Elements of the kernel.
    pub fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Windows per image.
    pub fn positions(&self) -> usize {
        self.map[0] * self.map[1]
    }

    /// Pixels per channel of an image.
    pub fn pixels(&self) -> usize {
        self.image[0] * self.image[1]
    }

    /// Whether the columns are the image itself.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0, 0] && self.after == [0, 0]
    }

    /// The columns of the whole batch in tiles of about `columns`: several whole images, or some rows of one.
    pub fn tiles(&self, columns: usize) -> Vec<Tile> {
        let [height, width] = self.map;
        if self.positions() >= columns {
            let rows = (columns / width).clamp(1, height);
            let cuts = height.div_ceil(rows);
            let cut = |i: usize| height * i / cuts;
            return (0..self.batch)
                .flat_map(|image| (0..cuts).map(move |i| (image, cut(i)..cut(i + 1))))
                .map(|(image, rows)| Tile {
                    images: image..image + 1,
                    rows,
                })
                .collect();
        }
        self.groups((columns / self.positions()).max(1))
    }

    /// Whole images, `count` at a time.
    pub fn groups(&self, count: usize) -> Vec<Tile> {
        let tiles = self.batch.div_ceil(count);
        let cut = |i: usize| self.batch * i / tiles;
        (0..tiles)
            .map(|i| Tile {
                images: cut(i)..cut(i + 1),
                rows: 0..self.map[0],
            })
            .collect()
    }

    /// The map's columns whose window has its element `j` inside of the image.
    fn inside(&self, j: usize) -> Range<usize> {
        let [_, stride] = self.stride;
        let start = self.padding[1].saturating_sub(j).div_ceil(stride);
        // The last column is the largest with column · stride + j − padding < width.
        let end = (self.image[1] + self.padding[1])
            .saturating_sub(j)
            .div_ceil(stride);
        let end = end.min(self.map[1]);
        start.min(end)..end
    }

    /// The image's row that element `i` of a window in row `row` lies on.
    fn source(&self, row: usize, i: usize) -> Option<usize> {
        let at = (row * self.stride[0] + i).checked_sub(self.padding[0])?;
        (at < self.image[0]).then_some(at)
    }

    /// The rows and columns of the image in the window at a place of the map.
    pub fn extent(&self, at: [usize; 2]) -> [Range<usize>; 2] {
        [0, 1].map(|axis| {
            let start = at[axis] * self.stride[axis];
            let end = (start + self.kernel[axis]).saturating_sub(self.padding[axis]);
            let end = end.min(self.image[axis]);
            start.saturating_sub(self.padding[axis]).min(end)..end
        })
    }

    /// Columns of the product, row-major `[channels of the range · kernel area, columns of the tile]`, from a batch of images
    /// `[batch, channels, height, width]`.
    pub fn unfold(&self, x: &[f32], tile: &Tile, channels: Range<usize>, columns: &mut [f32]) {
        let count = tile.columns(self);
        let (pixels, rows) = (self.pixels(), tile.rows.len());
        let mut lines = columns.chunks_exact_mut(count);
        for channel in channels {
            for i in 0..self.kernel[0] {
                for j in 0..self.kernel[1] {
                    let Some(line) = lines.next() else { return };
                    let parts = line.chunks_exact_mut(rows * self.map[1]);
                    for (image, part) in tile.images.clone().zip(parts) {
                        let plane = &x[(image * self.channels + channel) * pixels..][..pixels];
                        if self.stride == [1, 1] && self.map == self.image {
                            self.shift(plane, tile.rows.start, i, j, part);
                        } else {
                            self.pick(plane, tile.rows.clone(), i, j, part);
                        }
                    }
                }
            }
        }
    }

    /// Element `(i, j)` of every window where windows lie as the pixels do: the plane, shifted.
    fn shift(&self, plane: &[f32], row: usize, i: usize, j: usize, part: &mut [f32]) {
        let width = self.map[1];
        // part[p] = plane[p + row · width + (i − pad) · width + (j − pad)]
        let ahead = (row + i) * width + j;
        let behind = self.padding[0] * width + self.padding[1];
        let start = behind.saturating_sub(ahead).min(part.len());
        let end = (plane.len() + behind)
            .saturating_sub(ahead)
            .clamp(start, part.len());
        part[..start].fill(0.0);
        part[end..].fill(0.0);
        if start < end {
            let from = start + ahead - behind;
            part[start..end].copy_from_slice(&plane[from..from + end - start]);
        }
        let inside = self.inside(j);
        if inside != (0..width) {
            for line in part.chunks_exact_mut(width) {
                line[..inside.start].fill(0.0);
                line[inside.end..].fill(0.0);
            }
        }
    }

    fn pick(&self, plane: &[f32], rows: Range<usize>, i: usize, j: usize, part: &mut [f32]) {
        let inside = self.inside(j);
        for (row, line) in rows.zip(part.chunks_exact_mut(self.map[1])) {
            let Some(source) = self.source(row, i) else {
                line.fill(0.0);
                continue;
            };
            line[..inside.start].fill(0.0);
            line[inside.end..].fill(0.0);
            if inside.is_empty() {
                continue;
            }
            let first = source * self.image[1] + inside.start * self.stride[1] + j - self.padding[1];
            let from = plane[first..].iter().step_by(self.stride[1]);
            for (to, from) in line[inside.clone()].iter_mut().zip(from) {
                *to = *from;
            }
        }
    }

    /// Adds the columns of whole images back to where [`unfold`](Self::unfold) took them from. `x` holds the tile's images alone.
    pub fn fold(&self, columns: &[f32], tile: &Tile, channels: Range<usize>, x: &mut [f32]) {
        let count = tile.columns(self);
        let pixels = self.pixels();
        let mut lines = columns.chunks_exact(count);
        for channel in channels {
            for i in 0..self.kernel[0] {
                for j in 0..self.kernel[1] {
                    let Some(line) = lines.next() else { return };
                    let inside = self.inside(j);
                    if inside.is_empty() {
                        continue;
                    }
                    for (image, part) in line.chunks_exact(self.positions()).enumerate() {
                        let plane = &mut x[(image * self.channels + channel) * pixels..][..pixels];
                        for (row, line) in part.chunks_exact(self.map[1]).enumerate() {
                            let Some(source) = self.source(row, i) else {
                                continue;
                            };
                            let first =
                                source * self.image[1] + inside.start * self.stride[1] + j - self.padding[1];
                            let to = plane[first..].iter_mut().step_by(self.stride[1]);
                            for (to, from) in to.zip(&line[inside.clone()]) {
                                *to += *from;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Some rows of one image's map, or all rows of several images'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub images: Range<usize>,
    pub rows: Range<usize>,
}

impl Tile {
    pub fn columns(&self, window: &Window) -> usize {
        self.images.len() * self.rows.len() * window.map[1]
    }
}
