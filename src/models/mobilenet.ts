/** MobileNetV2: inverted residuals of depthwise convolutions. Sandler et al. 2018. Keys are those of torchvision's mobilenet_v2. */
import { requireCounts, requirePositive } from '../core/checks';
import { checkOptions } from '../core/options';
import { BatchNorm2d, type BatchNormOptions, Conv2d, Dropout, type Layer, Linear, ReLU6, Sequential } from '../nn';
import { add } from '../ops/elementwise';
import { mean } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { HubModule, PretrainedModel } from './hubModule';
import type { ImageClassifierOptions } from './resnet';

/** Expansion of the channels, output channels, blocks, stride of the first block. */
const STAGES = [
	[1, 16, 1, 1],
	[6, 24, 2, 2],
	[6, 32, 3, 2],
	[6, 64, 4, 2],
	[6, 96, 3, 1],
	[6, 160, 3, 2],
	[6, 320, 1, 1],
] as const;

/** Rounds channels to a multiple of 8, but not down by more than a tenth. */
export function roundChannels(channels: number): number {
	const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
	return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

interface NormalizedOptions {
	readonly stride?: number;
	readonly groups?: number;
	readonly norm?: BatchNormOptions;
	readonly activation?: Layer;
}

/** A convolution, batch norm, and optionally an activation. */
export function normalized(inChannels: number, outChannels: number, kernel: number, options: NormalizedOptions = {}): Sequential {
	const { stride = 1, groups = 1, norm = {}, activation } = options;
	return new Sequential(
		new Conv2d(inChannels, outChannels, kernel, { stride, padding: (kernel - 1) >> 1, groups, bias: false }),
		new BatchNorm2d(outChannels, norm),
		...(activation ? [activation] : []),
	);
}

class InvertedResidual extends HubModule {
	readonly conv: Sequential;
	private readonly hasShortcut: boolean;

	constructor(inChannels: number, outChannels: number, stride: number, expansion: number) {
		super();
		const inner = inChannels * expansion;
		this.hasShortcut = stride === 1 && inChannels === outChannels;
		const activation = new ReLU6();
		const layers: Sequential[] = expansion === 1 ? [] : [normalized(inChannels, inner, 1, { activation })];
		this.conv = new Sequential(
			...layers,
			normalized(inner, inner, 3, { stride, groups: inner, activation }),
			new Conv2d(inner, outChannels, 1, { bias: false }),
			new BatchNorm2d(outChannels),
		);
	}

	override forward(x: Tensor): Tensor {
		return tidy(() => (this.hasShortcut ? add(x, this.conv.forward(x)) : this.conv.forward(x)));
	}
}

export interface MobileNetV2Options extends ImageClassifierOptions {
	/** Factor of the channels. Default 1. */
	readonly widthMultiplier?: number;
	/** Before the classifier. Default 0.2. */
	readonly dropout?: number;
}

/** Logits [N, numClasses] for images [N, 3, H, W]. */
export class MobileNetV2 extends PretrainedModel {
	readonly features: Sequential;
	readonly classifier: Sequential;

	constructor(options: MobileNetV2Options = {}) {
		super({ model_type: 'mobilenet_v2', ...options });
		const {
			numClasses = 1000,
			widthMultiplier = 1,
			dropout = 0.2,
		} = checkOptions('MobileNetV2', options, ['numClasses', 'widthMultiplier', 'dropout']);
		requireCounts('MobileNetV2', { numClasses }, 1);
		requirePositive('MobileNetV2', 'widthMultiplier', widthMultiplier);
		const last = roundChannels(1280 * Math.max(1, widthMultiplier));
		let channels = roundChannels(32 * widthMultiplier);
		const layers: (Sequential | InvertedResidual)[] = [normalized(3, channels, 3, { stride: 2, activation: new ReLU6() })];
		for (const [expansion, width, count, stride] of STAGES) {
			for (let k = 0; k < count; k++) {
				const outChannels = roundChannels(width * widthMultiplier);
				layers.push(new InvertedResidual(channels, outChannels, k === 0 ? stride : 1, expansion));
				channels = outChannels;
			}
		}
		this.features = new Sequential(...layers, normalized(channels, last, 1, { activation: new ReLU6() }));
		this.classifier = new Sequential(new Dropout(dropout), new Linear(last, numClasses));
	}

	override forward(images: Tensor): Tensor {
		return tidy(() => this.classifier.forward(mean(this.features.forward(images), [2, 3])));
	}
}
