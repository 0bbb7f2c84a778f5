"""ResNet and MobileNetV2 written by hand in PyTorch, with the modules, and so the keys, of torchvision's."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, width, 3, stride), nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2, self.bn2 = conv(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU()
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        return self.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, block: type[BasicBlock | Bottleneck], depths: list[int], classes: int = 1000) -> None:
        super().__init__()
        self.inputs = 64
        self.conv1, self.bn1 = conv(3, 64, 7, 2), nn.BatchNorm2d(64)
        self.relu, self.maxpool = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        self.layer1 = self.stage(block, 64, depths[0], 1)
        self.layer2 = self.stage(block, 128, depths[1], 2)
        self.layer3 = self.stage(block, 256, depths[2], 2)
        self.layer4 = self.stage(block, 512, depths[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * block.expansion, classes)

    def stage(self, block: type[BasicBlock | Bottleneck], width: int, depth: int, stride: int) -> nn.Sequential:
        outputs, downsample = width * block.expansion, None
        if stride != 1 or self.inputs != outputs:
            downsample = nn.Sequential(conv(self.inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        blocks = [block(self.inputs, width, stride, downsample)]
        self.inputs = outputs
        return nn.Sequential(*blocks, *(block(outputs, width, 1, None) for _ in range(depth - 1)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))  # type: ignore[no-any-return]


def conv_norm_relu6(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(conv(inputs, outputs, kernel, stride, groups), nn.BatchNorm2d(outputs), nn.ReLU6())


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        parts: list[nn.Module] = [conv_norm_relu6(inputs, hidden, 1)] if expand != 1 else []
        parts += [conv_norm_relu6(hidden, hidden, 3, stride, groups=hidden), conv(hidden, outputs, 1)]
        self.conv = nn.Sequential(*parts, nn.BatchNorm2d(outputs))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)  # type: ignore[no-any-return]


class MobileNetV2(nn.Module):
    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        rows = [
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        ]
        features: list[nn.Module] = [conv_norm_relu6(3, 32, 3, 2)]
        inputs = 32
        for expand, outputs, depth, stride in rows:
            for k in range(depth):
                features.append(InvertedResidual(inputs, outputs, stride if k == 0 else 1, expand))
                inputs = outputs
        self.features = nn.Sequential(*features, conv_norm_relu6(320, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean([2, 3]))  # type: ignore[no-any-return]


RESNETS: dict[str, tuple[type[BasicBlock | Bottleneck], list[int]]] = {
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
    "resnet101": (Bottleneck, [3, 4, 23, 3]),
    "resnet152": (Bottleneck, [3, 8, 36, 3]),
}


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with random weights of gain one, norm statistics and scales, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for key, value in module.state_dict().items():
        if key.endswith("running_var") or (key.endswith("weight") and value.dim() == 1):
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
        elif value.is_floating_point():
            std = value[0].numel() ** -0.5 if value.dim() > 1 else 0.5
            value.copy_(torch.randn(value.shape, generator=generator) * std)
    return module.eval()


def build(name: str, classes: int = 1000) -> nn.Module:
    """One of torchvision's networks by its name there, with random weights."""
    if name == "mobilenet_v2":
        return randomised(MobileNetV2(classes))
    return randomised(ResNet(*RESNETS[name], classes))
