/** Residual networks. He et al. 2016. Keys and sizes are those of torchvision's resnet18 to resnet152. */
import { requireCounts, requireOneOf } from '../core/checks';
import { checkOptions } from '../core/options';
import { BatchNorm2d, Conv2d, Linear, MaxPool2d, Sequential } from '../nn';
import { add, relu } from '../ops/elementwise';
import { mean } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { HubModule, PretrainedModel } from './hubModule';

const convolution = (inChannels: number, outChannels: number, kernel: number, stride = 1) =>
	new Conv2d(inChannels, outChannels, kernel, { stride, padding: kernel >> 1, bias: false });

/** The shortcut of a block with input and output of different sizes; null if the sizes are equal. */
function shortcut(inChannels: number, outChannels: number, stride: number): Sequential | null {
	if (stride === 1 && inChannels === outChannels) return null;
	return new Sequential(convolution(inChannels, outChannels, 1, stride), new BatchNorm2d(outChannels));
}

/** Two convolutions of 3 x 3. */
class BasicBlock extends HubModule {
	static readonly expansion = 1;
	readonly conv1: Conv2d;
	readonly bn1: BatchNorm2d;
	readonly conv2: Conv2d;
	readonly bn2: BatchNorm2d;
	readonly downsample: Sequential | null;

	constructor(inChannels: number, channels: number, stride: number) {
		super();
		this.conv1 = convolution(inChannels, channels, 3, stride);
		this.bn1 = new BatchNorm2d(channels);
		this.conv2 = convolution(channels, channels, 3);
		this.bn2 = new BatchNorm2d(channels);
		this.downsample = shortcut(inChannels, channels, stride);
	}

	override forward(x: Tensor): Tensor {
		return tidy(() => {
			const inner = relu(this.bn1.forward(this.conv1.forward(x)));
			return relu(add(this.bn2.forward(this.conv2.forward(inner)), this.downsample?.forward(x) ?? x));
		});
	}
}

/** Convolutions of 1 x 1, 3 x 3 and 1 x 1; the middle one has a quarter of the channels. */
class Bottleneck extends HubModule {
	static readonly expansion = 4;
	readonly conv1: Conv2d;
	readonly bn1: BatchNorm2d;
	readonly conv2: Conv2d;
	readonly bn2: BatchNorm2d;
	readonly conv3: Conv2d;
	readonly bn3: BatchNorm2d;
	readonly downsample: Sequential | null;

	constructor(inChannels: number, channels: number, stride: number) {
		super();
		this.conv1 = convolution(inChannels, channels, 1);
		this.bn1 = new BatchNorm2d(channels);
		this.conv2 = convolution(channels, channels, 3, stride);
		this.bn2 = new BatchNorm2d(channels);
		this.conv3 = convolution(channels, 4 * channels, 1);
		this.bn3 = new BatchNorm2d(4 * channels);
		this.downsample = shortcut(inChannels, 4 * channels, stride);
	}

	override forward(x: Tensor): Tensor {
		return tidy(() => {
			const narrow = relu(this.bn1.forward(this.conv1.forward(x)));
			const inner = relu(this.bn2.forward(this.conv2.forward(narrow)));
			return relu(add(this.bn3.forward(this.conv3.forward(inner)), this.downsample?.forward(x) ?? x));
		});
	}
}

const DEPTHS = {
	18: [BasicBlock, [2, 2, 2, 2]],
	34: [BasicBlock, [3, 4, 6, 3]],
	50: [Bottleneck, [3, 4, 6, 3]],
	101: [Bottleneck, [3, 4, 23, 3]],
	152: [Bottleneck, [3, 8, 36, 3]],
} as const;

export interface ImageClassifierOptions {
	/** Default 1000, the classes of ImageNet. */
	readonly numClasses?: number;
}

export interface ResNetOptions extends ImageClassifierOptions {
	/** Channels of the first stage; each of the later three has twice as many. Default 64. */
	readonly width?: number;
}

/** Logits [N, numClasses] for images [N, 3, H, W]. `depth` is 18, 34, 50, 101 or 152. */
export class ResNet extends PretrainedModel {
	readonly conv1: Conv2d;
	readonly bn1: BatchNorm2d;
	readonly maxpool: MaxPool2d;
	readonly layer1: Sequential;
	readonly layer2: Sequential;
	readonly layer3: Sequential;
	readonly layer4: Sequential;
	readonly fc: Linear;

	constructor(depth: keyof typeof DEPTHS, options: ResNetOptions = {}) {
		super({ model_type: 'resnet', depth, ...options });
		const { numClasses = 1000, width = 64 } = checkOptions('ResNet', options, ['numClasses', 'width']);
		requireOneOf('ResNet', 'depth', depth, [18, 34, 50, 101, 152]);
		requireCounts('ResNet', { numClasses, width }, 1);
		const [Block, counts] = DEPTHS[depth];
		this.conv1 = new Conv2d(3, width, 7, { stride: 2, padding: 3, bias: false });
		this.bn1 = new BatchNorm2d(width);
		this.maxpool = new MaxPool2d(3, { stride: 2, padding: 1 });
		let channels = width;
		const stage = (i: number): Sequential => {
			const inner = width * 2 ** i;
			const blocks: (BasicBlock | Bottleneck)[] = [];
			for (let k = 0; k < counts[i]!; k++) {
				blocks.push(new Block(channels, inner, i > 0 && k === 0 ? 2 : 1));
				channels = inner * Block.expansion;
			}
			return new Sequential(...blocks);
		};
		this.layer1 = stage(0);
		this.layer2 = stage(1);
		this.layer3 = stage(2);
		this.layer4 = stage(3);
		this.fc = new Linear(channels, numClasses);
	}

	/** Feature maps [N, C, H / 32, W / 32], before the mean over positions. */
	features(images: Tensor): Tensor {
		return tidy(() => {
			const first = this.maxpool.forward(relu(this.bn1.forward(this.conv1.forward(images))));
			return [this.layer1, this.layer2, this.layer3, this.layer4].reduce((x, layer) => layer.forward(x), first);
		});
	}

	override forward(images: Tensor): Tensor {
		return tidy(() => this.fc.forward(mean(this.features(images), [2, 3])));
	}
}
