//! The figures of embedded queries and gallery: single pictures, means, neighbours, and pixels to compare with.

use super::{Embedded, Mode, Task, each_batch};
use crate::data::image::Filter;
use crate::data::transform::{Op, Pipeline};
use crate::device::Device;
use crate::metrics::{Figures, Metric, Ranks, Resampling, bootstrap, retrieval_metrics};
use crate::search::{
    self, CentroidGallery, CentroidRule, Embeddings, LabelRelevance, Options, Plan, Rerank, Reranked, Scorer,
    Similarity,
};
use crate::train::TrainError;

/// The figures of one mode.
#[derive(Clone, Debug)]
pub struct Measured {
    /// `instance`, `centroid`, `centroid, every identity`, `pixels`, `instance, re-ranked`, `instance, expanded` or
    /// `instance, expanded and re-ranked`.
    pub protocol: String,
    /// What re-ranking and expansion were set to.
    pub settings: Option<String>,
    /// Figures with intervals.
    pub figures: Figures,
    /// Queries, the skipped included.
    pub queries: usize,
    /// Queries with nothing to find.
    pub skipped: usize,
    /// Items that were ranked.
    pub gallery: usize,
    /// Identities among the queries with something to find.
    pub identities: usize,
    /// The ranks behind the figures.
    pub ranks: Ranks,
}

impl Task {
    /// Ranks and measures in every mode of the section; nothing is resampled if `quick`.
    pub fn measure(&self, embedded: &Embedded, device: &Device, quick: bool) -> crate::Result<Vec<Measured>> {
        let mut measured = Vec::new();
        for mode in &self.section.modes {
            match mode {
                Mode::Instance => measured.push(self.instance("instance", embedded, device, quick)?),
                Mode::Centroid => {
                    let cameras = self.query_side.cameras.is_some() && self.gallery_side.cameras.is_some();
                    match cameras {
                        false => measured.push(self.centroid(
                            "centroid",
                            CentroidRule::Labels,
                            embedded,
                            device,
                            quick,
                        )?),
                        true => {
                            let rule = |unqueried| CentroidRule::Cameras { unqueried };
                            measured.push(self.centroid("centroid", rule(false), embedded, device, quick)?);
                            if self.section.unqueried_centroids && !quick {
                                let name = "centroid, every identity";
                                measured.push(self.centroid(name, rule(true), embedded, device, quick)?);
                            }
                        }
                    }
                }
            }
        }
        if !quick {
            self.neighbours(embedded, device, &mut measured)?;
        }
        if self.section.per_category && !quick {
            measured.extend(self.per_category(embedded, device)?);
        }
        Ok(measured)
    }

    /// Re-ranking and expansion of the search among single pictures, where the section asks for them.
    fn neighbours(
        &self,
        embedded: &Embedded,
        device: &Device,
        measured: &mut Vec<Measured>,
    ) -> crate::Result<()> {
        let mut add = |protocol: &str, settings: String, scorer: &mut dyn Scorer| -> crate::Result<()> {
            let ranks = search::rank(scorer, &self.relevance(), &Options::default())?;
            let mut found = self.figures(protocol, ranks, self.gallery.len(), false)?;
            found.settings = Some(settings);
            measured.push(found);
            Ok(())
        };
        let reranked = |embedded: &Embedded, settings: &Rerank| {
            let Embedded {
                queries,
                gallery,
                dim,
            } = embedded;
            Reranked::new(queries, gallery, *dim, &self.own, settings, device)
        };
        if let Some(settings) = &self.section.rerank {
            let mut scorer = reranked(embedded, settings)?;
            add("instance, re-ranked", settings.to_string(), &mut scorer)?;
        }
        let Some(settings) = &self.section.query_expansion else {
            return Ok(());
        };
        let (queries, gallery) = search::expand(
            &embedded.queries,
            &embedded.gallery,
            embedded.dim,
            &self.own,
            settings,
            device,
        )?;
        let expanded = Embedded {
            queries,
            gallery,
            dim: embedded.dim,
        };
        add(
            "instance, expanded",
            settings.to_string(),
            &mut self.scorer(&expanded, device)?,
        )?;
        if let Some(rerank) = &self.section.rerank {
            let mut scorer = reranked(&expanded, rerank)?;
            add(
                "instance, expanded and re-ranked",
                format!("{settings}; {rerank}"),
                &mut scorer,
            )?;
        }
        Ok(())
    }

    /// How much memory the ranking of single images takes, in words.
    pub fn plan(&self, embedded: &Embedded, device: &Device) -> crate::Result<String> {
        Ok(Plan::new(&self.scorer(embedded, device)?, &Options::default()).to_string())
    }

    /// Which gallery pictures each query should find, and which are left out of its ranking.
    pub fn relevance(&self) -> LabelRelevance {
        LabelRelevance::new(self.query_side.clone(), self.gallery_side.clone()).with_own(self.own.clone())
    }

    /// The scores of single gallery pictures: cosines.
    pub fn scorer(&self, embedded: &Embedded, device: &Device) -> crate::Result<Embeddings> {
        Ok(Embeddings::new(
            embedded.queries.clone(),
            embedded.gallery.clone(),
            embedded.dim,
            Similarity::Cosine,
            device,
        )?)
    }

    fn instance(
        &self,
        protocol: &str,
        embedded: &Embedded,
        device: &Device,
        quick: bool,
    ) -> crate::Result<Measured> {
        let ranks = search::rank(
            &mut self.scorer(embedded, device)?,
            &self.relevance(),
            &Options::default(),
        )?;
        self.figures(protocol, ranks, self.gallery.len(), quick)
    }

    fn centroid(
        &self,
        protocol: &str,
        rule: CentroidRule,
        embedded: &Embedded,
        device: &Device,
        quick: bool,
    ) -> crate::Result<Measured> {
        let centroids = CentroidGallery::new(
            &embedded.gallery,
            embedded.dim,
            &self.gallery_side,
            &self.query_side,
            rule,
        )?;
        let relevance = centroids.relevance(self.query_side.clone());
        let count = centroids.labels.len();
        let mut scorer = Embeddings::new(
            embedded.queries.clone(),
            centroids.embeddings,
            embedded.dim,
            Similarity::Cosine,
            device,
        )?;
        let ranks = search::rank(&mut scorer, &relevance, &Options::default())?;
        self.figures(protocol, ranks, count, quick)
    }

    fn figures(&self, protocol: &str, ranks: Ranks, gallery: usize, quick: bool) -> crate::Result<Measured> {
        let metrics: Vec<Metric> = retrieval_metrics();
        let resampling = Resampling {
            resamples: if quick { 0 } else { self.section.resamples },
            seed: self.seed,
        };
        let figures = bootstrap::figures(&ranks, &self.query_side.labels, &metrics, &resampling)?;
        Ok(Measured {
            protocol: protocol.into(),
            settings: None,
            figures,
            queries: ranks.queries.len(),
            skipped: ranks.skipped,
            gallery,
            identities: bootstrap::identities(&ranks, &self.query_side.labels),
            ranks,
        })
    }

    /// The figures of no model: pictures as 16 × 16 pixels, each less its mean colour, ranked by cosine.
    pub fn pixel_baseline(&self, workers: usize) -> crate::Result<Measured> {
        let pipeline = Pipeline::new(vec![
            Op::Resize {
                height: 16,
                width: 16,
                filter: Filter::default(),
            },
            Op::Normalize {
                mean: [0.0; 3],
                std: [1.0; 3],
            },
        ])?;
        let embed = |rows: &[usize]| -> Result<Vec<f32>, TrainError> {
            let mut all = Vec::new();
            each_batch(
                &self.table,
                rows,
                &pipeline,
                self.decode,
                64,
                workers,
                |batch, real| {
                    for pixels in batch.pixels.chunks_exact(3 * 16 * 16).take(real) {
                        for channel in pixels.chunks_exact(16 * 16) {
                            let mean = channel.iter().sum::<f32>() / 256.0;
                            all.extend(channel.iter().map(|v| v - mean));
                        }
                    }
                    Ok(())
                },
            )?;
            Ok(all)
        };
        let embedded = Embedded {
            queries: embed(&self.queries)?,
            gallery: embed(&self.gallery)?,
            dim: 3 * 16 * 16,
        };
        self.instance("pixels", &embedded, &crate::device::cpu(), false)
    }
}
