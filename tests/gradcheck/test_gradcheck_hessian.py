"""The Hessian by hand is right, and a wrong one is caught."""

import jax
import pytest
from support.gradcheck import typed, users_defaults
from support.problems import PENALTIES

import softjax
from softjax import check_hessian


@pytest.fixture(autouse=True)
def _as_users_have_it(own_messages):
    with users_defaults():
        yield


@pytest.mark.parametrize(
    ("dtype", "penalty"), [("float64", "elastic_net"), *(("float32", penalty) for penalty in PENALTIES)]
)
def test_the_hessian_by_hand_is_right(dtype, penalty):
    with jax.enable_x64(dtype == "float64"):
        W, X, y = typed(dtype)

        def fun(W, X, y, reg):
            return softjax.loss(W, X, y, reg, penalty=penalty, penalize_bias=False)

        def by_hand(W, v, X, y, reg):
            return softjax.hessian_vector_product(W, v, X, y, reg, penalty=penalty, penalize_bias=False)

        (check,) = check_hessian(fun, by_hand, W, X, y, 0.3, num_directions=1)
        assert check.ok, str(check)
        (wrong,) = check_hessian(fun, lambda *a: by_hand(*a) * 1.0001, W, X, y, 0.3, num_directions=1)
        assert not wrong.ok


def test_the_hessian_vector_products_of_the_gradient_by_hand_are_right():
    W, X, y = typed("float32")

    def of_gradient(W, v, *args):
        return jax.jvp(lambda W: softjax.loss_and_grad(W, *args)[1], (W,), (v,))[1]

    assert all(check.ok for check in check_hessian(softjax.loss, of_gradient, W, X, y, 0.3))


def test_a_direction_of_another_shape_is_refused():
    W, X, y = typed("float32")
    with jax.numpy_dtype_promotion("strict"), pytest.raises(ValueError, match="V must be shaped like W"):
        softjax.hessian_vector_product(W, W.T, X, y)
