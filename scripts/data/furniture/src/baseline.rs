//! How far bare pixels go: recall at rank 1 and 10 of the test queries among the test gallery.

/// An image as 16 × 16 RGB less its mean, scaled to length 1.
pub fn describe(jpeg: &[u8]) -> Result<Vec<f32>, String> {
    let image = image::load_from_memory(jpeg)
        .map_err(|e| e.to_string())?
        .into_rgb8();
    let (w, h) = (image.width() as usize, image.height() as usize);
    let mut cells = vec![0.0f32; 16 * 16 * 3];
    let mut counts = vec![0.0f32; 16 * 16];
    for (x, y, pixel) in image.enumerate_pixels() {
        let cell = y as usize * 16 / h * 16 + x as usize * 16 / w;
        counts[cell] += 1.0;
        (0..3).for_each(|c| cells[cell * 3 + c] += f32::from(pixel[c]));
    }
    for (i, value) in cells.iter_mut().enumerate() {
        *value /= counts[i / 3].max(1.0);
    }
    let mean = cells.iter().sum::<f32>() / cells.len() as f32;
    cells.iter_mut().for_each(|v| *v -= mean);
    let length = cells.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
    cells.iter_mut().for_each(|v| *v /= length);
    Ok(cells)
}

/// Shares of queries that have an image of their own product among the best 1 and the best 10.
pub fn recall<L: PartialEq>(queries: &[(L, Vec<f32>)], gallery: &[(L, Vec<f32>)]) -> [f64; 2] {
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let mut hits = [0usize; 2];
    for (label, query) in queries {
        let right = gallery
            .iter()
            .filter(|(l, _)| l == label)
            .map(|(_, g)| cosine(query, g))
            .fold(f32::MIN, f32::max);
        let ahead = gallery
            .iter()
            .filter(|(l, g)| l != label && cosine(query, g) >= right)
            .count();
        hits[0] += usize::from(ahead < 1);
        hits[1] += usize::from(ahead < 10);
    }
    hits.map(|h| h as f64 / queries.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_counts_the_queries_whose_product_leads() {
        let gallery = [("a", vec![1.0, 0.0]), ("b", vec![0.0, 1.0])];
        let queries = [("a", vec![0.9, 0.1]), ("b", vec![0.9, 0.1])];
        assert_eq!(recall(&queries, &gallery), [0.5, 1.0]);
    }
}
