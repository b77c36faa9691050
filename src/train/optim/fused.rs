//! The update rules on the CPU in one pass over the memory instead of one for each arithmetic operation.
//!
//! The same `f32` operations in the same order as [`super::rule`] on tensors, hence the same bits.

use super::{Rule, Slot};
use crate::nn::host::{dense, values};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Tensor, TensorData};
use rayon::prelude::*;

/// Elements per task.
const CHUNK: usize = 1 << 14;

/// The updated parameter, or the parameter and its gradient back where this is not for the host.
#[allow(clippy::result_large_err)] // no error: what was lent comes back
pub(super) fn step(
    rule: &Rule,
    lr: f64,
    param: Tensor<1>,
    grad: Tensor<1>,
    slot: &mut Slot,
) -> Result<Tensor<1>, (Tensor<1>, Tensor<1>)> {
    let count = param.shape().num_elements();
    let fits = |x: &Tensor<1>| x.shape().num_elements() == count && on_host(x);
    let states = [&slot.first, &slot.second];
    if count == 0 || !fits(&param) || !fits(&grad) || !states.into_iter().flatten().all(fits) {
        return Err((param, grad));
    }
    slot.steps += 1;
    let grad = dense(primitive(grad));
    let grad = values(&grad);
    let mut param = owned(primitive(param));
    let mut first = slot.first.take().map(|state| owned(primitive(state)));
    match *rule {
        Rule::Adam {
            betas: [b1, b2],
            eps,
            weight_decay,
            decoupled,
        } => {
            let t = slot.steps as f64;
            let step = (lr / (1.0 - b1.powf(t))) as f32;
            let root = (1.0 - b2.powf(t)).sqrt() as f32;
            let (b1, rest1, b2, rest2) = (b1 as f32, (1.0 - b1) as f32, b2 as f32, (1.0 - b2) as f32);
            let (shrink, decay) = ((1.0 - lr * weight_decay) as f32, weight_decay as f32);
            let eps = eps as f32;
            let fresh = first.is_none();
            let mut second = slot.second.take().map(|state| owned(primitive(state)));
            let (m, v) = (
                first.get_or_insert_with(|| zeros(count)),
                second.get_or_insert_with(|| zeros(count)),
            );
            parts(&mut param)
                .zip(parts(m).zip(parts(v)))
                .zip(grad.par_chunks(CHUNK))
                .for_each(|((param, (m, v)), grad)| {
                    for (((p, m), v), g) in param.iter_mut().zip(m).zip(v).zip(grad) {
                        let mut g = *g;
                        if weight_decay > 0.0 {
                            match decoupled {
                                true => *p *= shrink,
                                false => g += *p * decay,
                            }
                        }
                        // A first moment of -0 must not become 0 by the addition of a state that is not there.
                        (*m, *v) = match fresh {
                            true => (g * rest1, g * g * rest2),
                            false => (*m * b1 + g * rest1, *v * b2 + g * g * rest2),
                        };
                        *p -= *m / (v.sqrt() / root + eps) * step;
                    }
                });
            slot.second = second.map(tensor);
        }
        Rule::Sgd {
            momentum,
            nesterov,
            weight_decay,
        } => {
            let (lr, decay, factor) = (lr as f32, weight_decay as f32, momentum as f32);
            let fresh = first.is_none();
            let decayed = |g: f32, p: f32| if weight_decay > 0.0 { g + p * decay } else { g };
            if momentum == 0.0 {
                parts(&mut param)
                    .zip(grad.par_chunks(CHUNK))
                    .for_each(|(param, grad)| {
                        for (p, g) in param.iter_mut().zip(grad) {
                            *p -= decayed(*g, *p) * lr;
                        }
                    });
            } else {
                let buffer = first.get_or_insert_with(|| zeros(count));
                parts(&mut param)
                    .zip(parts(buffer))
                    .zip(grad.par_chunks(CHUNK))
                    .for_each(|((param, buffer), grad)| {
                        for ((p, b), g) in param.iter_mut().zip(buffer).zip(grad) {
                            let g = decayed(*g, *p);
                            *b = if fresh { g } else { *b * factor + g };
                            *p -= if nesterov { g + *b * factor } else { *b } * lr;
                        }
                    });
            }
        }
    }
    slot.first = first.map(tensor);
    Ok(tensor(param))
}

fn on_host(x: &Tensor<1>) -> bool {
    x.dtype() == DType::F32 && x.clone().try_into_primitive::<Flex>().is_ok()
}

fn primitive(x: Tensor<1>) -> FlexTensor {
    x.try_into_primitive::<Flex>().expect("it was asked for before")
}

/// Row-major from the first byte of its storage on; [`parts`] writes in place if nobody else holds it.
fn owned(x: FlexTensor) -> FlexTensor {
    match x.is_contiguous() && x.storage::<f32>().len() == x.layout().num_elements() {
        true => x,
        false => FlexTensor::from_data(TensorData::new(
            values(&dense(x.clone())).to_vec(),
            [x.layout().num_elements()],
        )),
    }
}

fn zeros(count: usize) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(vec![0.0f32; count], [count]))
}

fn tensor(x: FlexTensor) -> Tensor<1> {
    Tensor::from_primitive::<Flex>(x)
}

fn parts(x: &mut FlexTensor) -> rayon::slice::ChunksMut<'_, f32> {
    x.storage_mut::<f32>().par_chunks_mut(CHUNK)
}
