"""Boxes of tensors and how a result is partitioned into shards; knows neither kernels nor machines."""
