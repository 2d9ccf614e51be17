"""A Ray Tune script as people have it; the two lines of mlpf_hpo are marked."""

import pickle
import tempfile
from pathlib import Path

from ray import tune
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from mlpf_hpo.integrations.ray_tune import RayTuneScheduler  # line 1

EPOCHS, TRIALS = 9, 8
X, y = load_digits(return_X_y=True)
X, test_X, y, test_y = train_test_split(X / 16, y, random_state=0)


def train(config: dict[str, float]) -> None:
    """Train a network; report its accuracy and a checkpoint after every epoch."""
    network, done = MLPClassifier((16,), learning_rate_init=config["lr"], random_state=0), 0
    if (checkpoint := tune.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            network, done = pickle.loads(Path(folder, "network").read_bytes())
    for epoch in range(done + 1, EPOCHS + 1):
        network.partial_fit(X, y, classes=range(10))
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "network").write_bytes(pickle.dumps((network, epoch)))
            checkpoint = tune.Checkpoint.from_directory(folder)
            tune.report({"accuracy": network.score(test_X, test_y)}, checkpoint=checkpoint)


scheduler = RayTuneScheduler("freeze_thaw", max_epochs=EPOCHS)  # line 2
config = tune.TuneConfig(
    metric="accuracy", mode="max", num_samples=TRIALS, reuse_actors=True, scheduler=scheduler
)
results = tune.Tuner(train, param_space={"lr": tune.loguniform(1e-4, 1e-1)}, tune_config=config).fit()
epochs = sum((result.metrics or {}).get("training_iteration", 0) for result in results)
best = results.get_best_result().metrics["accuracy"]
print(f"accuracy {best:.3f} after {epochs} of {TRIALS * EPOCHS} epochs")
