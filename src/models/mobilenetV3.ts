/** MobileNetV3: inverted residuals with weighted channels. Howard et al. 2019. Keys are those of torchvision's mobilenet_v3_large and _small. */
import { requireCounts, requireOneOf, requirePositive } from '../core/checks';
import { checkOptions } from '../core/options';
import { Conv2d, Dropout, Hardswish, type Layer, Linear, ReLU, Sequential } from '../nn';
import { add, hardsigmoid, mul, relu } from '../ops/elementwise';
import { mean } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { HubModule, PretrainedModel } from './hubModule';
import { normalized, roundChannels } from './mobilenet';
import type { ImageClassifierOptions } from './resnet';

type Row = readonly [
	kernel: number,
	inner: number,
	out: number,
	isWeighted: 0 | 1,
	activation: 'relu' | 'hardswish',
	stride: number,
];

/** The rows of the tables in the paper, and the width of the classifier. */
const SIZES = {
	large: {
		rows: [
			[3, 16, 16, 0, 'relu', 1],
			[3, 64, 24, 0, 'relu', 2],
			[3, 72, 24, 0, 'relu', 1],
			[5, 72, 40, 1, 'relu', 2],
			[5, 120, 40, 1, 'relu', 1],
			[5, 120, 40, 1, 'relu', 1],
			[3, 240, 80, 0, 'hardswish', 2],
			[3, 200, 80, 0, 'hardswish', 1],
			[3, 184, 80, 0, 'hardswish', 1],
			[3, 184, 80, 0, 'hardswish', 1],
			[3, 480, 112, 1, 'hardswish', 1],
			[3, 672, 112, 1, 'hardswish', 1],
			[5, 672, 160, 1, 'hardswish', 2],
			[5, 960, 160, 1, 'hardswish', 1],
			[5, 960, 160, 1, 'hardswish', 1],
		],
		last: 1280,
	},
	small: {
		rows: [
			[3, 16, 16, 1, 'relu', 2],
			[3, 72, 24, 0, 'relu', 2],
			[3, 88, 24, 0, 'relu', 1],
			[5, 96, 40, 1, 'hardswish', 2],
			[5, 240, 40, 1, 'hardswish', 1],
			[5, 240, 40, 1, 'hardswish', 1],
			[5, 120, 48, 1, 'hardswish', 1],
			[5, 144, 48, 1, 'hardswish', 1],
			[5, 288, 96, 1, 'hardswish', 2],
			[5, 576, 96, 1, 'hardswish', 1],
			[5, 576, 96, 1, 'hardswish', 1],
		],
		last: 1024,
	},
} as const satisfies Record<string, { rows: readonly Row[]; last: number }>;

const norm = { eps: 0.001, momentum: 0.01 };

/** Multiplies each channel by a weight that follows from the means of all channels. Hu et al. 2018. */
class SqueezeExcitation extends HubModule {
	readonly fc1: Conv2d;
	readonly fc2: Conv2d;

	constructor(channels: number) {
		super();
		const inner = roundChannels(Math.floor(channels / 4));
		this.fc1 = new Conv2d(channels, inner, 1);
		this.fc2 = new Conv2d(inner, channels, 1);
	}

	override forward(x: Tensor): Tensor {
		return tidy(() => {
			const inner = relu(this.fc1.forward(mean(x, [2, 3], { keepdim: true })));
			return mul(x, hardsigmoid(this.fc2.forward(inner)));
		});
	}
}

class InvertedResidual extends HubModule {
	readonly block: Sequential;
	private readonly hasShortcut: boolean;

	constructor(inChannels: number, [kernel, inner, out, isWeighted, name, stride]: Row) {
		super();
		this.hasShortcut = stride === 1 && inChannels === out;
		const activation = name === 'relu' ? new ReLU() : new Hardswish();
		const layers: Layer[] = inner === inChannels ? [] : [normalized(inChannels, inner, 1, { norm, activation })];
		layers.push(normalized(inner, inner, kernel, { stride, groups: inner, norm, activation }));
		if (isWeighted) layers.push(new SqueezeExcitation(inner));
		this.block = new Sequential(...layers, normalized(inner, out, 1, { norm }));
	}

	override forward(x: Tensor): Tensor {
		return tidy(() => (this.hasShortcut ? add(x, this.block.forward(x)) : this.block.forward(x)));
	}
}

export interface MobileNetV3Options extends ImageClassifierOptions {
	/** Factor of the channels. Default 1. */
	readonly widthMultiplier?: number;
	/** Before the last layer. Default 0.2. */
	readonly dropout?: number;
}

/** Logits [N, numClasses] for images [N, 3, H, W]. `size` is 'large' or 'small'. */
export class MobileNetV3 extends PretrainedModel {
	readonly features: Sequential;
	readonly classifier: Sequential;

	constructor(size: keyof typeof SIZES, options: MobileNetV3Options = {}) {
		super({ model_type: 'mobilenet_v3', size, ...options });
		const {
			numClasses = 1000,
			widthMultiplier = 1,
			dropout = 0.2,
		} = checkOptions('MobileNetV3', options, ['numClasses', 'widthMultiplier', 'dropout']);
		requireOneOf('MobileNetV3', 'size', size, ['large', 'small']);
		requireCounts('MobileNetV3', { numClasses }, 1);
		requirePositive('MobileNetV3', 'widthMultiplier', widthMultiplier);
		const scaled = (channels: number) => roundChannels(channels * widthMultiplier);
		let channels = scaled(16);
		const layers: Layer[] = [normalized(3, channels, 3, { stride: 2, norm, activation: new Hardswish() })];
		for (const [kernel, inner, out, ...rest] of SIZES[size].rows) {
			layers.push(new InvertedResidual(channels, [kernel, scaled(inner), scaled(out), ...rest]));
			channels = scaled(out);
		}
		const last = scaled(SIZES[size].last);
		this.features = new Sequential(...layers, normalized(channels, 6 * channels, 1, { norm, activation: new Hardswish() }));
		this.classifier = new Sequential(
			new Linear(6 * channels, last),
			new Hardswish(),
			new Dropout(dropout),
			new Linear(last, numClasses),
		);
	}

	override forward(images: Tensor): Tensor {
		return tidy(() => this.classifier.forward(mean(this.features.forward(images), [2, 3])));
	}
}
