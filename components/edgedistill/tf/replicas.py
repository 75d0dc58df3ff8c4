"""Several devices that train as one: a copy of each network on every device, a part of each batch.

TensorFlow's MirroredStrategy holds the copies ("replicas"). A pass through a network meets no
other replica, so that XLA can compile it; what the replicas found is put together after it:

- gradients of summed losses are added up and divided by all photos of the batch, so that parts of
  unequal size count by their photos;
- what moves with every pass (batch normalisation's statistics where these are not frozen) moves in
  each replica by its own photos and is then set to the mean over the replicas in all of them;
- dropout draws from a stream of its own in each replica.

So with batch normalisation frozen and without dropout a step is that of one device but for
rounding: gradients 1e-7 of their length apart, on 2 and 4 devices. Else it is comparable, not the
same: of batches of 32 photos, with batch normalisation trained, as it is from random weights alone,
gradients were 0.03 and 0.18 apart (`tests/benchmarks/replicas_difference.py`). Where there is one
device nothing here is in the way.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from edgedistill.tf.runtime import tf

_OWN = {
    "synchronization": tf.VariableSynchronization.ON_READ,
    "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA,
}
"""Of a variable that each replica changes by itself. It reads as the first replica's: a mean would
round even where all are equal."""


class _Mirror:
    """The strategy that is in force for the whole process, if there is one."""

    def __init__(self) -> None:
        self._strategy: Any = None
        self._scopes = ExitStack()

    def begin(self, strategy: Any) -> None:
        """From now on variables are made for it."""
        self._strategy = strategy
        tf.distribute.experimental_set_strategy(strategy)
        self._scopes.callback(tf.distribute.experimental_set_strategy, None)
        self._scopes.enter_context(tf.variable_creator_scope(_of_first_replica))

    def end(self) -> Any:
        """Gives the strategy that was in force, or None."""
        strategy, self._strategy = self._strategy, None
        self._scopes.close()
        return strategy


_mirror = _Mirror()


def mirror_over(devices: Sequence[str]) -> None:
    """Gives each network that is built from now on a copy on each of these devices.

    Args:
        devices: names as TensorFlow has them, such as "GPU:0"; two or more.
    """
    # TensorFlow's own choice is NCCL, which knows GPUs alone.
    on_gpus = all("GPU" in name for name in devices)
    ops = None if on_gpus else tf.distribute.ReductionToOneDevice()
    _mirror.end()
    _mirror.begin(tf.distribute.MirroredStrategy(list(devices), cross_device_ops=ops))


@contextmanager
def mirror_left() -> Iterator[None]:
    """Leaves the copies for what TensorFlow refuses, or forgets them by, and comes back to them."""
    strategy = _mirror.end()
    try:
        yield
    finally:
        if strategy is not None:
            _mirror.begin(strategy)


def n_replicas() -> int:
    """On how many devices networks are trained."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def own_variable(value: Any) -> Any:
    """A variable that each replica changes by itself, and that is not trained."""
    return tf.Variable(value, trainable=False, **_OWN)


def summed_over_replicas(learn: Callable[..., Any], *, compile_xla: bool) -> Callable[..., Any]:
    """A function of a batch: the sum of what `learn` gives for each replica's part of it.

    Args:
        learn: from the tensors of some photos, one row a photo, to a tensor. It may change what
            `own_variable` made; each replica has a graph of it.
        compile_xla: whether XLA compiles these.
    """
    graph = tf.function(learn, autograph=False, jit_compile=True if compile_xla else None)

    def learn_from_all(*batch: Any) -> Any:
        return tf.add_n(_of_each_part(graph, batch))

    return learn_from_all


def joined_over_replicas(infer: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a batch: what `infer` gives for each replica's part of it, in the order."""
    if n_replicas() == 1:
        return infer

    def infer_all(*batch: Any) -> Any:
        return tf.concat(_of_each_part(infer, batch), axis=0)

    return infer_all


def in_each_replica(change: Callable[..., None], *values: Any) -> None:
    """Calls `change` in each replica, or once where there is one device."""
    if n_replicas() == 1:
        change(*values)
    else:
        tf.distribute.get_strategy().run(change, args=values)


def make_equal(variables: Sequence[Any]) -> None:
    """Sets those that each replica changed by itself to their mean over all; counters to the first.

    The mean weighs each replica alike, though their parts may differ by a photo.
    """
    n = n_replicas()
    if n == 1:
        return
    for variable in variables:
        first, *others = copies = tf.distribute.get_strategy().experimental_local_results(variable)
        value = first.read_value()
        if variable.dtype.is_floating:  # equal ones must stay as they are to the last bit
            value += tf.add_n([other - value for other in others]) / n
        for copy in copies:
            copy.assign(value)


def own_variables(network: Any) -> list[Any]:
    """The weights of a network that each replica changes by itself."""
    return [v for v in network.weights if v.synchronization == _OWN["synchronization"]]


def _of_first_replica(next_creator: Callable[..., Any], **about: Any) -> Any:
    """Makes batch normalisation's statistics, of which Keras would read the mean, as `_OWN` is."""
    if about.get("synchronization") == _OWN["synchronization"]:
        about |= _OWN
    return next_creator(**about)


def _of_each_part(work: Callable[..., Any], batch: Sequence[Any]) -> Sequence[Any]:
    """What `work` gives in each replica; parts differ by a photo at most, the first is largest.

    The first, as its counters of random numbers become those of all.
    """
    strategy = tf.distribute.get_strategy()
    n, n_photos = strategy.num_replicas_in_sync, tf.shape(batch[0])[0]

    def of_one() -> Any:
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        begin, end = ((n_photos * k + n - 1) // n for k in (number, number + 1))
        return work(*(rows[begin:end] for rows in batch))

    found: Sequence[Any] = strategy.experimental_local_results(strategy.run(of_one))
    return found
