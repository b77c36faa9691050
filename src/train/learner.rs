//! How burn's `Learner` runs our engine.
//!
//! [`SupervisedTraining`] launches a [`Learner`] whose model is a thin shell and whose strategy is the engine: burn gives the frame,
//! its metrics and its terminal interface; the engine owns the step loop, the optimisers and the checkpoints. The engine takes the
//! model out of the learner and drops it, so that tensors have one owner.

use super::TrainError;
use super::checkpoint::State;
use super::engine::{End, Engine, Evaluated, Hooks};
use super::signals::StopFlag;
use super::sinks::EntrySplit;
use crate::data::feed::Feed;
use crate::device::Device;
use crate::papers::Objective;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::{ExecutionError, Tensor};
use burn::train::logger::{EvaluationProgressLogger, MetricLogger, TrainingProgressLogger};
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{Adaptor, LossInput, LossMetric, MetricDefinition, NumericEntry};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation, MetricsRendererTraining,
};
use burn::train::{
    EventProcessorTraining, InferenceStep, Interrupter, ItemLazy, Learner, LearnerEvent, LearnerSummary,
    SupervisedLearningStrategy, SupervisedTraining, SupervisedTrainingEventProcessor, TrainLoader,
    TrainOutput, TrainStep, TrainingComponents, TrainingItem, TrainingStrategy, ValidLoader,
};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The model as burn's learner sees it.
#[derive(Module, Debug)]
pub struct Shell<M: Module> {
    model: Option<M>,
}

/// A loss for burn's metrics.
#[derive(Clone, Debug)]
pub struct StepItem(f64);

impl ItemLazy for StepItem {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl Adaptor<LossInput> for StepItem {
    fn adapt(&self) -> LossInput {
        LossInput::new(Tensor::from_floats([self.0 as f32], &crate::device::cpu()))
    }
}

impl<M: Module> TrainStep for Shell<M> {
    type Input = ();
    type Output = StepItem;

    fn step(&self, (): ()) -> TrainOutput<StepItem> {
        unreachable!("the engine takes the steps")
    }
}

impl<M: Module> InferenceStep for Shell<M> {
    type Input = ();
    type Output = StepItem;

    fn step(&self, (): ()) -> StepItem {
        unreachable!("the engine evaluates")
    }
}

/// Trains through a burn [`Learner`]: gives the engine back with how it ended. `tui` shows burn's terminal interface.
pub fn train<O, F>(
    mut engine: Engine<O, F>,
    hooks: Box<dyn Hooks<O> + Send>,
    folder: &Path,
    tui: bool,
) -> (Engine<O, F>, Result<End, TrainError>)
where
    O: Objective,
    F: Feed<Host = O::Host>,
{
    let epochs = engine.epochs() as usize;
    let shell = Shell {
        model: Some(engine.take()),
    };
    let job = Arc::new(Mutex::new(Job {
        engine: Some(engine),
        hooks,
        result: None,
    }));
    let nothing = || Arc::new(Nothing) as Arc<dyn DataLoader<()>>;
    let mut training = SupervisedTraining::new(folder, nothing(), nothing())
        .num_epochs(epochs)
        .metric_train_numeric(LossMetric::new())
        .with_application_logger(None)
        .with_metric_logger(NoLogger)
        .with_training_strategy(TrainingStrategy::Custom(Arc::new(Strategy(job.clone()))));
    if !tui {
        training = training.renderer(Box::new(NoRenderer));
    }
    training.launch(Learner::new(shell, SgdConfig::new().init(), 1.0));
    let mut job = job.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let engine = job.engine.take().expect("the strategy puts the engine back");
    (engine, job.result.take().expect("the strategy leaves a result"))
}

struct Job<O: Objective, F> {
    engine: Option<Engine<O, F>>,
    hooks: Box<dyn Hooks<O> + Send>,
    result: Option<Result<End, TrainError>>,
}

struct Strategy<O: Objective, F>(Arc<Mutex<Job<O, F>>>);

impl<O, F> SupervisedLearningStrategy<Shell<O>> for Strategy<O, F>
where
    O: Objective,
    F: Feed<Host = O::Host>,
{
    fn fit(
        &self,
        components: TrainingComponents<Shell<O>>,
        learner: Learner<Shell<O>>,
        _train: TrainLoader<Shell<O>>,
        _valid: ValidLoader<Shell<O>>,
        _starting_epoch: usize,
    ) -> (Shell<O>, SupervisedTrainingEventProcessor<Shell<O>>) {
        let mut job = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Job {
            engine,
            hooks,
            result,
        } = &mut *job;
        let engine = engine.as_mut().expect("one strategy runs once");
        // The clone and the drop leave the engine as the tensors' only owner.
        let model = learner.model().model;
        drop(learner);
        engine.put(model.expect("the shell was made with a model"));
        let mut reporter = Reporter {
            hooks: hooks.as_mut(),
            events: components.event_processor,
            interrupter: components.interrupter,
            stop: engine.stop_flag(),
            epoch: None,
        };
        *result = Some(engine.train(&mut reporter));
        (Shell { model: None }, reporter.events)
    }
}

/// Passes what the engine does on to burn's metrics and terminal interface, and the interface's wish to stop back.
struct Reporter<'a, O: Objective> {
    hooks: &'a mut (dyn Hooks<O> + Send),
    events: SupervisedTrainingEventProcessor<Shell<O>>,
    interrupter: Interrupter,
    stop: StopFlag,
    epoch: Option<u64>,
}

impl<O: Objective> Hooks<O> for Reporter<'_, O> {
    fn measured_on(&self) -> EntrySplit {
        self.hooks.measured_on()
    }

    fn evaluate(&mut self, model: &O, state: &State) -> crate::Result<Evaluated> {
        self.hooks.evaluate(model, state)
    }

    fn on_step(&mut self, state: &State, batches: u64, loss: Option<f64>) {
        self.hooks.on_step(state, batches, loss);
        if self.interrupter.should_stop() {
            self.stop.raise();
        }
        let Some(loss) = loss else { return };
        // After an epoch's last batch the state stands at the next epoch already.
        let (epoch, done) = match state.batch {
            0 => (state.epoch.saturating_sub(1), batches),
            batch => (state.epoch, batch),
        };
        if self.epoch != Some(epoch) {
            if let Some(last) = self.epoch.replace(epoch) {
                let _ = self
                    .events
                    .process_train(LearnerEvent::EndSplit(last as usize + 1));
                let _ = self
                    .events
                    .process_train(LearnerEvent::EndEpoch(last as usize + 1));
            }
            let _ = self.events.process_train(LearnerEvent::StartSplit {
                epoch_number: epoch as usize + 1,
                total_items: batches as usize,
            });
        }
        let progress = Progress {
            items_processed: done as usize,
            items_total: batches as usize,
            unit: Some("batches".into()),
        };
        let item = TrainingItem::new(StepItem(loss), progress, Some(state.step as usize), None);
        let _ = self.events.process_train(LearnerEvent::ProcessedItem(item));
    }
}

/// The engine reads its batches from a feed; burn's loaders stay empty.
struct Nothing;

impl DataLoader<()> for Nothing {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<()> + 'a> {
        Box::new(NoItems)
    }
    fn num_items(&self) -> usize {
        0
    }
    fn to_device(&self, _device: &Device) -> Arc<dyn DataLoader<()>> {
        Arc::new(Nothing)
    }
    fn slice(&self, _start: usize, _end: usize) -> Arc<dyn DataLoader<()>> {
        Arc::new(Nothing)
    }
}

struct NoItems;

impl Iterator for NoItems {
    type Item = Result<(), DatasetError>;
    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}

impl DataLoaderIterator<()> for NoItems {
    fn progress(&self) -> Progress {
        Progress {
            items_processed: 0,
            items_total: 0,
            unit: None,
        }
    }
}

/// The run's own sinks keep the figures.
struct NoLogger;

impl MetricLogger for NoLogger {
    fn log(&mut self, _update: MetricsUpdate, _epoch: usize, _split: &Split) {}
    fn read_numeric(
        &mut self,
        _name: &str,
        _epoch: usize,
        _split: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        Err("figures are kept in metrics.jsonl".into())
    }
    fn log_metric_definition(&mut self, _definition: MetricDefinition) {}
    fn log_epoch_summary(&mut self, _summary: EpochSummary) {}
}

/// The run's own progress bar is shown instead.
struct NoRenderer;

impl MetricsRendererTraining for NoRenderer {
    fn update_train(&mut self, _state: MetricState) {}
    fn update_valid(&mut self, _state: MetricState) {}
    fn on_train_end(&mut self, _summary: Option<LearnerSummary>) -> Result<(), Box<dyn std::error::Error>> {
        Ok(())
    }
}

impl MetricsRendererEvaluation for NoRenderer {
    fn update_test(&mut self, _name: EvaluationName, _state: MetricState) {}
}

impl TrainingProgressLogger for NoRenderer {
    fn start(&mut self, _epochs: usize, _from: usize, _items: Option<usize>, _label: Option<&str>) {}
    fn update_epoch(&mut self, _epoch: usize) {}
    fn start_split(&mut self, _split: &str, _items: usize) {}
    fn update_split(&mut self, _items: usize) {}
    fn end_split(&mut self) {}
    fn end(&mut self) {}
    fn log_event_training(&mut self, _event: String) {}
}

impl EvaluationProgressLogger for NoRenderer {
    fn start_global_progress(&mut self, _tests: usize) {}
    fn start_test(&mut self, _name: &str, _items: usize) {}
    fn update_test_progress(&mut self, _items: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _event: String) {}
}

impl MetricsRenderer for NoRenderer {
    fn manual_close(&mut self) {}
    fn register_metric(&mut self, _definition: MetricDefinition) {}
}
