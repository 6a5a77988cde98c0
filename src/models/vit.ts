/** Vision transformer: an image as a sequence of patches. Dosovitskiy et al. 2021. Keys are those of Hugging Face's ViTForImageClassification. */
import { formatShape, ShapeError } from '../core/errors';
import { Conv2d, Dropout, init, LayerNorm, Linear, type Parameter } from '../nn';
import { emptyParameter } from '../nn/init';
import { add } from '../ops/elementwise';
import { cat, expand, flatten, select, transpose } from '../ops/layout';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { ACTIVATIONS } from './activations';
import { ConfigReader, type PretrainedConfig } from './config';
import { Dense, Encoder, type EncoderLayerOptions, encoderLayerOptions, SelfAttention } from './encoder';
import { HubModule, PretrainedModel } from './hubModule';

class Attention extends HubModule {
	readonly attention: SelfAttention;
	readonly output: Dense;

	constructor(options: EncoderLayerOptions) {
		super();
		this.attention = new SelfAttention(options);
		this.output = new Dense(options.width, options.width);
	}

	override forward(x: Tensor): Tensor {
		return this.output.forward(this.attention.forward(x));
	}
}

class Layer extends HubModule {
	readonly attention: Attention;
	readonly intermediate: Dense;
	readonly output: Dense;
	readonly layernormBefore: LayerNorm;
	readonly layernormAfter: LayerNorm;
	readonly dropout: Dropout;

	constructor(options: EncoderLayerOptions) {
		super();
		const { width, inner, eps, dropout } = options;
		this.attention = new Attention(options);
		this.intermediate = new Dense(width, inner, ACTIVATIONS[options.activation]);
		this.output = new Dense(inner, width);
		this.layernormBefore = new LayerNorm(width, { eps });
		this.layernormAfter = new LayerNorm(width, { eps });
		this.dropout = new Dropout(dropout);
	}

	override forward(x: Tensor): Tensor {
		return tidy(() => {
			const attended = add(x, this.dropout.forward(this.attention.forward(this.layernormBefore.forward(x))));
			const inner = this.intermediate.forward(this.layernormAfter.forward(attended));
			return add(attended, this.dropout.forward(this.output.forward(inner)));
		});
	}
}

class PatchEmbeddings extends HubModule {
	readonly projection: Conv2d;

	constructor(channels: number, width: number, patch: number) {
		super();
		this.projection = new Conv2d(channels, width, patch, { stride: patch });
	}

	/** [N, C, H, W] to [N, patches, width]. */
	override forward(images: Tensor): Tensor {
		return transpose(flatten(this.projection.forward(images), 2), 1, 2);
	}
}

class Embeddings extends HubModule {
	readonly clsToken: Parameter;
	readonly positionEmbeddings: Parameter;
	readonly patchEmbeddings: PatchEmbeddings;
	readonly dropout: Dropout;

	constructor(patches: number, channels: number, patch: number, { width, dropout }: EncoderLayerOptions) {
		super();
		this.clsToken = init.zeros_(emptyParameter([1, 1, width], {}));
		this.positionEmbeddings = init.truncNormal_(emptyParameter([1, patches + 1, width], {}), 0, 0.02);
		this.patchEmbeddings = new PatchEmbeddings(channels, width, patch);
		this.dropout = new Dropout(dropout);
	}

	override forward(images: Tensor): Tensor {
		const patches = this.patchEmbeddings.forward(images);
		const first = expand(this.clsToken, [patches.shape[0]!, 1, patches.shape[2]!]);
		return this.dropout.forward(add(cat([first, patches], 1), this.positionEmbeddings));
	}
}

class Vit extends HubModule {
	readonly embeddings: Embeddings;
	readonly encoder: Encoder<Layer>;
	readonly layernorm: LayerNorm;

	constructor(embeddings: Embeddings, layers: number, options: EncoderLayerOptions) {
		super();
		this.embeddings = embeddings;
		this.encoder = new Encoder(Array.from({ length: layers }, () => new Layer(options)));
		this.layernorm = new LayerNorm(options.width, { eps: options.eps });
	}

	override forward(images: Tensor): Tensor {
		return this.layernorm.forward(this.encoder.forward(this.embeddings.forward(images)));
	}
}

/** Logits [N, labels] for images [N, C, size, size]. `config` has the fields of Hugging Face's ViTConfig. */
export class ViTForImageClassification extends PretrainedModel {
	readonly vit: Vit;
	readonly classifier: Linear;
	/** The shape of an image: channels, height, width. */
	readonly imageShape: readonly [number, number, number];

	constructor(config: PretrainedConfig) {
		super({ model_type: 'vit', ...config });
		const read = new ConfigReader(config);
		const size = read.count('image_size');
		const [patch, channels] = [read.count('patch_size'), read.count('num_channels', 3)];
		this.imageShape = [channels, size, size];
		const options = encoderLayerOptions(
			'ViTForImageClassification',
			read,
			{ dropout: 0, attentionDropout: 0 },
			read.boolean('qkv_bias', true),
		);
		const { width } = options;
		const embeddings = new Embeddings(Math.floor(size / patch) ** 2, channels, patch, options);
		this.vit = new Vit(embeddings, read.count('num_hidden_layers'), options);
		const labels = read.section('id2label')?.config;
		this.classifier = new Linear(width, labels === undefined ? read.count('num_labels', 2) : Object.keys(labels).length);
	}

	override forward(images: Tensor): Tensor {
		if (images.ndim !== 4 || images.shape.slice(1).join() !== this.imageShape.join()) {
			throw new ShapeError(
				`ViTForImageClassification: it takes images [N, ${this.imageShape.join(', ')}], not ${formatShape(images.shape)}. Resize them with interpolate()`,
			);
		}
		return tidy(() => this.classifier.forward(select(this.vit.forward(images), 1, 0)));
	}
}
