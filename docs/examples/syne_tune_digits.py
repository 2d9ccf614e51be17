"""A syne-tune script as people have it, on trials of this machine; the lines of mlpf_hpo are marked."""

from syne_tune import StoppingCriterion
from syne_tune.backend import PythonBackend
from syne_tune.config_space import loguniform

from mlpf_hpo.integrations.syne_tune import PatientTuner, SyneTuneScheduler  # line 1

EPOCHS, TRIALS = 9, 6


def train(lr: float, epochs: int) -> None:
    """Train a network; report its accuracy after every epoch."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from syne_tune import Reporter

    X, y = load_digits(return_X_y=True)
    X, test_X, y, test_y = train_test_split(X / 16, y, random_state=0)
    network, report = MLPClassifier((16,), learning_rate_init=lr, random_state=0), Reporter()
    for epoch in range(1, epochs + 1):
        network.partial_fit(X, y, classes=range(10))
        report(epoch=epoch, accuracy=network.score(test_X, test_y))


space = {"lr": loguniform(1e-4, 1e-1), "epochs": EPOCHS}
scheduler = SyneTuneScheduler(  # line 2
    "promotion_asha", space, "accuracy", do_minimize=False, n_trials=TRIALS, max_epochs=EPOCHS
)
stop = StoppingCriterion(max_wallclock_time=3600)
tuner = PatientTuner(PythonBackend(train, space), scheduler, stop, n_workers=1, sleep_time=0.1)
tuner.run()
statistics = tuner.tuning_status.overall_metric_statistics
print(
    f"accuracy {statistics.max_metrics['accuracy']:.3f} after {statistics.count} of {TRIALS * EPOCHS} epochs"
)
