//! The two loops that a depthwise convolution consists of, compiled for the widest vectors that the processor has.

/// What runs over memory are rounded up to.
pub const LANES: usize = 32;

/// `to[t] = Σ weight · from[t + distance]` over the `(distance, weight)`. `to` has a whole number of vectors, and `from` reaches as
/// far as the largest distance from its end.
pub fn correlate(from: &[f32], taps: &[(usize, f32)], to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has what the function was compiled for.
            return unsafe { correlate_avx512(from, taps, to) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { correlate_avx2(from, taps, to) };
        }
    }
    correlate_by::<{ cfg!(target_arch = "aarch64") }>(from, taps, to);
}

/// `totals[k] += Σ run[t] · from[t + distances[k]]`; `run` has a whole number of vectors.
pub fn products(from: &[f32], distances: &[usize], run: &[f32], totals: &mut [f64]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has what the function was compiled for.
            return unsafe { products_avx512(from, distances, run, totals) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { products_avx2(from, distances, run, totals) };
        }
    }
    products_by::<{ cfg!(target_arch = "aarch64") }>(from, distances, run, totals);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,fma")]
fn correlate_avx512(from: &[f32], taps: &[(usize, f32)], to: &mut [f32]) {
    correlate_by::<true>(from, taps, to);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn correlate_avx2(from: &[f32], taps: &[(usize, f32)], to: &mut [f32]) {
    correlate_by::<true>(from, taps, to);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,fma")]
fn products_avx512(from: &[f32], distances: &[usize], run: &[f32], totals: &mut [f64]) {
    products_by::<true>(from, distances, run, totals);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn products_avx2(from: &[f32], distances: &[usize], run: &[f32], totals: &mut [f64]) {
    products_by::<true>(from, distances, run, totals);
}

/// `a · b + c`, in one instruction where there is one.
#[inline(always)]
fn fused<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn correlate_by<const FMA: bool>(from: &[f32], taps: &[(usize, f32)], to: &mut [f32]) {
    for (index, to) in to.chunks_exact_mut(LANES).enumerate() {
        let from = &from[index * LANES..];
        let mut sums = [0.0f32; LANES];
        for &(distance, weight) in taps {
            let from = &from[distance..][..LANES];
            for lane in 0..LANES {
                sums[lane] = fused::<FMA>(weight, from[lane], sums[lane]);
            }
        }
        to.copy_from_slice(&sums);
    }
}

#[inline(always)]
fn products_by<const FMA: bool>(from: &[f32], distances: &[usize], run: &[f32], totals: &mut [f64]) {
    // Several sums at once, in the registers; 9 and 25, the usual kernels, divide evenly.
    let wide = if distances.len().is_multiple_of(5) {
        distances.len()
    } else {
        0
    };
    for (distances, totals) in distances[..wide].chunks_exact(5).zip(totals.chunks_exact_mut(5)) {
        group::<FMA, 5>(from, distances, run, totals);
    }
    let (distances, totals) = (&distances[wide..], &mut totals[wide..]);
    let even = distances.len() / 3 * 3;
    for (distances, totals) in distances[..even].chunks_exact(3).zip(totals.chunks_exact_mut(3)) {
        group::<FMA, 3>(from, distances, run, totals);
    }
    for (distance, total) in distances[even..].chunks(1).zip(totals[even..].chunks_mut(1)) {
        group::<FMA, 1>(from, distance, run, total);
    }
}

#[inline(always)]
fn group<const FMA: bool, const N: usize>(
    from: &[f32],
    distances: &[usize],
    run: &[f32],
    totals: &mut [f64],
) {
    const WIDE: usize = 16;
    let mut sums = [[0.0f32; WIDE]; N];
    for (index, run) in run.chunks_exact(WIDE).enumerate() {
        let from = &from[index * WIDE..];
        for n in 0..N {
            let from = &from[distances[n]..][..WIDE];
            for lane in 0..WIDE {
                sums[n][lane] = fused::<FMA>(run[lane], from[lane], sums[n][lane]);
            }
        }
    }
    for (total, sums) in totals.iter_mut().zip(sums) {
        *total += sums.iter().map(|v| f64::from(*v)).sum::<f64>();
    }
}
