"""What every optimizer does around its own rule."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from layerscope.configurable import Configurable, accepts, field, fields_of
from layerscope.custom_objects import custom_object_scope
from layerscope.optimizers import gradients
from layerscope.optimizers.learning_rate import LearningRate, learning_rate_of
from layerscope.optimizers.state import OptimizerState, VariableState
from layerscope.plain_data import serialize_value
from layerscope.registry import snake_case
from layerscope.tensor import Variable


class Optimizer(LearningRate, OptimizerState, Configurable):
    """Base class: define ``update(variable, grad, state)`` and list arguments as fields.

    `state` is a dict of arrays kept for the variable, empty at first. As in Keras, one may instead
    define ``update_step(gradient, variable, learning_rate)``, and create what it needs in `build`
    with `add_optimizer_variables`; only then can a new optimizer take over what another one saved.

    A step clips the gradients, decays the weights, applies the rule to each variable, follows the
    moving average and applies the constraints, in this order.

    Attributes
    ----------
    iterations : number of steps taken.
    variables : all it remembers, the iteration and the learning rate first.

    Examples
    --------
    >>> import numpy as np, layerscope as ls
    >>> class Sign(ls.optimizers.Optimizer):
    ...     def update(self, variable, grad, state):
    ...         variable.assign_sub(self.learning_rate.numpy() * np.sign(grad))
    >>> weight = ls.Variable([1.0, 1.0])
    >>> Sign(0.5).apply([np.array([3.0, -7.0])], [weight])
    >>> weight.numpy().tolist()
    [0.5, 1.5]
    """

    kind: ClassVar[str] = "optimizer"
    keras_module: ClassVar[str] = "keras.optimizers"

    learning_rate: Any = field(
        default=0.01, converter=learning_rate_of, slider=(1e-5, 1), help="Size of a step."
    )
    weight_decay: float | None = field(
        default=None, last=True, help="Share of a weight, times the rate, taken off each step."
    )
    clipnorm: float | None = field(
        default=None, gt=0, last=True, help="Largest norm of a variable's gradient."
    )
    clipvalue: float | None = field(
        default=None, gt=0, last=True, help="Largest size of a gradient's entry."
    )
    global_clipnorm: float | None = field(
        default=None, gt=0, last=True, help="Largest norm of all gradients together."
    )
    use_ema: bool = field(default=False, last=True, help="Follow a moving average of the weights.")
    ema_momentum: float = field(
        default=0.99,
        ge=0,
        le=1,
        last=True,
        help="Memory of the moving average.",
        refusal="`ema_momentum` must be in the range [0, 1]. Received: ema_momentum={value}",
    )
    ema_overwrite_frequency: int | None = field(
        default=None,
        ge=1,
        last=True,
        help="Steps after which the average replaces the weights.",
        refusal="`ema_overwrite_frequency` must be an integer >= 1 or None. Received: "
        "ema_overwrite_frequency={value}",
    )
    loss_scale_factor: float | None = field(
        default=None, gt=0, last=True, help="Factor of the loss that gradients are divided by."
    )
    gradient_accumulation_steps: int | None = field(
        default=None,
        ge=2,
        last=True,
        help="Gradients to average before a step is taken.",
        refusal="`gradient_accumulation_steps` must be an integer >= 2. Received: "
        "gradient_accumulation_steps={value}",
    )
    name: str | None = field(default=None, last=True, help="Name of the optimizer.")

    def __post_init__(self) -> None:
        limits = (self.clipnorm, self.clipvalue, self.global_clipnorm)
        if sum(limit is not None for limit in limits) > 1:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: "
                f"clipnorm={self.clipnorm}, clipvalue={self.clipvalue}, "
                f"global_clipnorm={self.global_clipnorm}"
            )
        if self.name is None:
            self.name = snake_case(type(self).__name__)
        self._not_decayed: tuple[Sequence[Variable], Sequence[str]] = ((), ())
        self._start_state()
        if isinstance(self._learning_rate, Variable):
            self._learning_rate.scope = (self.name,)

    def _accept_legacy_arguments(self, unknown: dict[str, Any]) -> dict[str, Any]:
        if unknown.pop("decay", None) is not None:
            warnings.warn(
                "Argument `decay` is no longer supported and will be ignored.", stacklevel=2
            )
        # Keras 2 writes these into a config. Loops are compiled, and there is one implementation.
        for name in ("jit_compile", "is_legacy_optimizer"):
            unknown.pop(name, None)
        return unknown

    # --- the rule ------------------------------------------------------------------------

    def build(self, variables: Sequence[Variable]) -> None:
        """Create what is remembered for each variable; the first step does it unless called."""
        self._number_variables(variables)
        self._kept = [VariableState(self, variable) for variable in variables]
        if self.use_ema:
            self._model_variables_moving_average = self.add_optimizer_variables(
                variables, "average"
            )
        if self.gradient_accumulation_steps:
            self._accumulated_gradients = self.add_optimizer_variables(
                variables, "gradient_accumulator"
            )
        self.built = True

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Change one variable in place; by `update`, unless overridden."""
        self.update(variable, gradient, self._kept[self._get_variable_index(variable)])

    def update(self, variable: Variable, grad: np.ndarray, state: MutableMapping[str, Any]) -> None:
        """Change one variable in place."""
        raise NotImplementedError(
            f"{type(self).__name__} must define `update(variable, grad, state)` or "
            "`update_step(gradient, variable, learning_rate)`."
        )

    def assign(self, variable: Variable, value: Any) -> None:
        """Replace the content of a variable."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Add to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Subtract from a variable."""
        variable.assign_sub(value)

    @property
    def iterations(self) -> Any:
        """Steps taken; with accumulation, those that changed the weights."""
        if self.gradient_accumulation_steps:
            return self._iterations.value // self.gradient_accumulation_steps
        return self._iterations

    @property
    def _step(self) -> int:
        """Number of this step, counted from 1."""
        return self._iterations.value.item() // (self.gradient_accumulation_steps or 1) + 1

    # --- a step --------------------------------------------------------------------------

    def apply(
        self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None
    ) -> None:
        """Take one step.

        Parameters
        ----------
        grads : gradient of each variable; None leaves a variable alone.
        trainable_variables : what to change; None: what the optimizer was built for.

        Raises
        ------
        ValueError
            If no variable has a gradient, or a variable is not one it was built for.
        """
        if len(grads) == 0:
            return
        variables = self._targets(grads, trainable_variables)
        arrays, variables = self._filled(grads, variables)
        if self.loss_scale_factor is not None:
            arrays = [array / self.loss_scale_factor for array in arrays]
        if not self.gradient_accumulation_steps or self._accumulate(arrays, variables):
            arrays = self._clip_gradients(arrays)
            self._apply_weight_decay(variables)
            self._update_all(arrays, variables, self._rate())
        if self.use_ema:
            self._follow_average()
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable.value))
        count = self._iterations.value
        count.fill(count.item() + 1)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """Take one step from pairs of gradient and variable; return the number of steps."""
        pairs = list(grads_and_vars)
        self.apply([grad for grad, _ in pairs], [variable for _, variable in pairs])
        return self._iterations

    def _targets(
        self, grads: Sequence[Any], variables: Sequence[Variable] | None
    ) -> Sequence[Variable]:
        """Return the variables of a step, having built the optimizer for them."""
        if variables is not None:
            if not self.built:
                self.build(list(variables))
            return variables
        if not self.built:
            raise ValueError(
                "When passing `grads` without `variables`, the optimizer must already be built "
                "on a list of variables. Call `optimizer.build(trainable_variables)` first."
            )
        if len(grads) != len(self._trainable_variables):
            raise ValueError(
                "When passing `grads` as a list of gradient tensors, the gradients must match "
                f"`optimizer.variables` one-to-one. Received a list of {len(grads)} gradients, "
                f"but the optimizer is tracking {len(self._trainable_variables)} trainable "
                "variables."
            )
        return self._trainable_variables

    def _filled(
        self, grads: Sequence[Any], variables: Sequence[Variable]
    ) -> tuple[list[np.ndarray], list[Variable]]:
        """Return the variables that have a gradient, and their gradients as arrays."""
        arrays, filled, missing = [], [], []
        indices = self._indices
        for grad, variable in zip(grads, variables, strict=True):
            if grad is None:
                missing.append(variable.path)
                continue
            if id(variable) not in indices:
                raise self._unknown(variable)
            arrays.append(gradients.as_array(grad, variable))
            filled.append(variable)
        if not filled:
            raise ValueError(
                "No gradients provided for any variable: the loss does not depend on "
                f"{[variable.path for variable in variables]}."
            )
        if missing:
            warnings.warn(
                f"Gradients do not exist for variables {missing} when minimizing the loss. If "
                "using `model.compile()`, did you forget to provide a `loss` argument?",
                stacklevel=3,
            )
        return arrays, filled

    def _accumulate(self, arrays: list[np.ndarray], variables: Sequence[Variable]) -> bool:
        """Add gradients up; when a step is due, put their means into `arrays` and return True."""
        count = self.gradient_accumulation_steps or 1
        sums = [
            self._accumulated_gradients[self._get_variable_index(variable)].value
            for variable in variables
        ]
        if (int(self._iterations.value) + 1) % count:
            for total, array in zip(sums, arrays, strict=True):
                total += array
            return False
        arrays[:] = [(array + total) / count for total, array in zip(sums, arrays, strict=True)]
        for variable in self._accumulated_gradients:
            variable.value.fill(0)
        return True

    def _clip_gradients(self, grads: list[np.ndarray]) -> list[np.ndarray]:
        if self.clipnorm is not None:
            return [gradients.clip_by_norm(grad, self.clipnorm) for grad in grads]
        if self.global_clipnorm is not None:
            return gradients.clip_by_global_norm(grads, self.global_clipnorm)
        if self.clipvalue is not None:
            return [gradients.clip_by_value(grad, self.clipvalue) for grad in grads]
        return grads

    def _update_all(
        self, arrays: list[np.ndarray], variables: Sequence[Variable], rate: float
    ) -> None:
        for array, variable in zip(arrays, variables, strict=True):
            self.update_step(array, variable, rate)

    def scale_loss(self, loss: Any) -> Any:
        """Return the loss to differentiate, so large that small gradients do not vanish."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # --- weight decay --------------------------------------------------------------------

    def exclude_from_weight_decay(
        self,
        var_list: Sequence[Variable] | None = None,
        var_names: Sequence[str] | None = None,
    ) -> None:
        """Keep variables from weight decay.

        Parameters
        ----------
        var_list : the variables themselves.
        var_names : regular expressions; a variable in whose name one is found is kept from it.
        """
        self._not_decayed = (tuple(var_list or ()), tuple(var_names or ()))

    def _use_weight_decay(self, variable: Variable) -> bool:
        excluded, patterns = self._not_decayed
        return not (
            any(variable is one for one in excluded)
            or any(re.search(pattern, variable.name) for pattern in patterns)
        )

    def _apply_weight_decay(self, variables: Sequence[Variable]) -> None:
        if self.weight_decay is None:
            return
        rate = self._rate()
        for variable in variables:
            if self._use_weight_decay(variable):
                variable.value -= variable.value * self.weight_decay * rate

    # --- moving average ------------------------------------------------------------------

    def _follow_average(self) -> None:
        """Bring the averages up to date, and the weights to the averages when it is time."""
        step = self._step
        memory = self.ema_momentum if step > 1 else 0.0
        for variable, average in zip(
            self._trainable_variables, self._model_variables_moving_average, strict=True
        ):
            average.value *= memory
            average.value += (1 - memory) * variable.value
        if self.ema_overwrite_frequency and step % self.ema_overwrite_frequency == 0:
            self.finalize_variable_values(self._trainable_variables)

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Give variables the values training ends with: their averages, with `use_ema`.

        Raises
        ------
        ValueError
            If they are not as many as the optimizer was built for.
        """
        if not self.use_ema:
            return
        if len(var_list) != len(self._trainable_variables):
            raise ValueError(
                f"The length of model variables ({len(var_list)}) to override does not match the "
                "length of model variables stored in the optimizer "
                f"({len(self._trainable_variables)}). Please check if the optimizer was called "
                "on your model."
            )
        for variable, average in zip(var_list, self._model_variables_moving_average, strict=True):
            variable.assign(average.value)

    # --- config --------------------------------------------------------------------------

    def _argument(self, name: str) -> Any:
        return self._rate_argument() if name == "learning_rate" else super()._argument(name)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        cls = type(self)
        if not fields_of(cls):
            # Behind a hand-written constructor, what this class knows may have changed since.
            known = next(fields for base in cls.__mro__[1:] if (fields := fields_of(base)))
            config |= {
                one.name: serialize_value(self._argument(one.name))
                for one in known
                if accepts(cls, one.name)
            }
        return config

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """Create an instance from what `get_config` returned."""
        with custom_object_scope(custom_objects or {}):
            return super().from_config(config)
