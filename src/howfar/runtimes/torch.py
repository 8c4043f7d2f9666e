"""PyTorch on the CPU or a GPU: runs networks that are being trained, and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from howfar.errors import ModelError
from howfar.models.network import TensorSpec

INPUT = "images"


class TorchRuntime:
    """A module that maps images (B, 3, H, W) to a dictionary of tensors.

    Args:
        module: what runs; it is put into evaluation mode for each run and left as it was.
        threads: that PyTorch uses in this process; 0 leaves them alone.
    """

    def __init__(self, module: nn.Module, threads: int = 0) -> None:
        self._module = module
        if threads:
            torch.set_num_threads(threads)
        self.name = f"torch {torch.__version__}"
        self.precision = "float32"
        self.threads = torch.get_num_threads()
        self.inputs = (TensorSpec(INPUT, (None, 3, None, None), "float32"),)
        self.outputs: tuple[TensorSpec, ...] = ()
        self.metadata: Mapping[str, str] = {}

    def run(
        self, feeds: Mapping[str, npt.NDArray[np.generic]]
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Run once: {input name: array} -> {output name: array}."""
        device = next(self._module.parameters()).device
        images = torch.from_numpy(np.ascontiguousarray(feeds[INPUT])).to(device)
        training = self._module.training
        self._module.eval()
        try:
            with torch.inference_mode():
                found = self._module(images.contiguous(memory_format=torch.channels_last))
        except RuntimeError as error:
            raise ModelError(f"the network failed ({str(error).splitlines()[0]})") from error
        finally:
            self._module.train(training)
        return {name: value.float().cpu().numpy() for name, value in found.items()}
