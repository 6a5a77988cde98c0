/**
 * The U-Net of diffusion models: an image, noisy to the degree of a time step, to an image of the same size. Ronneberger et al. 2015, Ho et al.
 * 2020. Keys are those of diffusers' UNet2DModel, because U-Nets for segmentation have no common keys or configs.
 */
import { ArgumentError, FormatError } from '../core/errors';
import { Conv2d, Dropout, GroupNorm, Linear, ModuleList, Sequential } from '../nn';
import { scaledDotProductAttention } from '../ops/attention';
import { full, tensor } from '../ops/creation';
import { add, cos, mul, silu, sin, sub, to } from '../ops/elementwise';
import { interpolate } from '../ops/interpolate';
import { cat, expand, flatten, pad, reshape, transpose, unsqueeze } from '../ops/layout';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { ACTIVATION_NAMES, ACTIVATIONS, type ActivationName } from './activations';
import { ConfigReader, type PretrainedConfig } from './config';
import { mergeHeads, splitHeads } from './heads';
import { HubModule, PretrainedModel } from './hubModule';

interface BlockOptions {
	/** The features of the time step. */
	readonly timeWidth: number;
	readonly groups: number;
	readonly eps: number;
	readonly dropout: number;
	readonly activation: ActivationName;
	/** Channels of a head of attention; null for a single head. */
	readonly headSize: number | null;
}

const convolution = (inChannels: number, outChannels: number) => new Conv2d(inChannels, outChannels, 3, { padding: 1 });

class ResnetBlock extends HubModule {
	readonly norm1: GroupNorm;
	readonly conv1: Conv2d;
	readonly timeEmbProj: Linear;
	readonly norm2: GroupNorm;
	readonly dropout: Dropout;
	readonly conv2: Conv2d;
	readonly convShortcut: Conv2d | null;

	constructor(
		inChannels: number,
		outChannels: number,
		readonly options: BlockOptions,
	) {
		super();
		const { timeWidth, groups, eps, dropout } = options;
		this.norm1 = new GroupNorm(groups, inChannels, { eps });
		this.conv1 = convolution(inChannels, outChannels);
		this.timeEmbProj = new Linear(timeWidth, outChannels);
		this.norm2 = new GroupNorm(groups, outChannels, { eps });
		this.dropout = new Dropout(dropout);
		this.conv2 = convolution(outChannels, outChannels);
		this.convShortcut = inChannels === outChannels ? null : new Conv2d(inChannels, outChannels, 1);
	}

	override forward(x: Tensor, time: Tensor): Tensor {
		return tidy(() => {
			const activation = ACTIVATIONS[this.options.activation];
			const first = this.conv1.forward(activation(this.norm1.forward(x)));
			const moved = add(first, reshape(this.timeEmbProj.forward(activation(time)), [-1, first.shape[1]!, 1, 1]));
			const second = this.conv2.forward(this.dropout.forward(activation(this.norm2.forward(moved))));
			return add(this.convShortcut?.forward(x) ?? x, second);
		});
	}
}

/** Attention of all positions to all. */
class Attention extends HubModule {
	readonly groupNorm: GroupNorm;
	readonly toQ: Linear;
	readonly toK: Linear;
	readonly toV: Linear;
	readonly toOut: Sequential;
	private readonly headCount: number;

	constructor(channels: number, { groups, eps, headSize }: BlockOptions) {
		super();
		this.headCount = headSize === null ? 1 : Math.max(1, Math.floor(channels / headSize));
		if (channels % this.headCount !== 0)
			throw new ArgumentError(`UNet2DModel: ${channels} channels do not divide into heads of attention_head_dim ${headSize}`);
		this.groupNorm = new GroupNorm(groups, channels, { eps });
		this.toQ = new Linear(channels, channels);
		this.toK = new Linear(channels, channels);
		this.toV = new Linear(channels, channels);
		this.toOut = new Sequential(new Linear(channels, channels));
	}

	override forward(x: Tensor): Tensor {
		return tidy(() => {
			const positions = transpose(this.groupNorm.forward(flatten(x, 2)), 1, 2);
			const heads = (part: Linear) => splitHeads(part.forward(positions), this.headCount);
			const attended = mergeHeads(scaledDotProductAttention(heads(this.toQ), heads(this.toK), heads(this.toV)));
			return add(x, reshape(transpose(this.toOut.forward(attended), 1, 2), x.shape));
		});
	}
}

class Downsample extends HubModule {
	readonly conv: Conv2d;

	constructor(
		channels: number,
		readonly padding: number,
	) {
		super();
		this.conv = new Conv2d(channels, channels, 3, { stride: 2, padding });
	}

	override forward(x: Tensor): Tensor {
		return tidy(() => this.conv.forward(this.padding === 0 ? pad(x, [0, 1, 0, 1]) : x));
	}
}

class Upsample extends HubModule {
	readonly conv: Conv2d;

	constructor(channels: number) {
		super();
		this.conv = convolution(channels, channels);
	}

	override forward(x: Tensor): Tensor {
		return tidy(() => this.conv.forward(interpolate(x, { scaleFactor: 2, mode: 'nearest' })));
	}
}

/** Residual blocks, each with attention if there is any. */
abstract class Block extends HubModule {
	readonly resnets: ModuleList<ResnetBlock>;
	readonly attentions: ModuleList<Attention> | null;

	constructor(sizes: readonly (readonly [inChannels: number, outChannels: number])[], attends: number, options: BlockOptions) {
		super();
		this.resnets = new ModuleList(sizes.map(([inChannels, outChannels]) => new ResnetBlock(inChannels, outChannels, options)));
		const width = sizes[0]![1];
		this.attentions = attends === 0 ? null : new ModuleList(Array.from({ length: attends }, () => new Attention(width, options)));
	}

	protected step(i: number, x: Tensor, time: Tensor): Tensor {
		const y = this.resnets.items[i]!.forward(x, time);
		return this.attentions?.items[i]?.forward(y) ?? y;
	}
}

class DownBlock extends Block {
	readonly downsamplers: ModuleList<Downsample> | null;

	constructor(widths: readonly [number, number], count: number, attends: boolean, padding: number | null, options: BlockOptions) {
		const sizes = Array.from({ length: count }, (_, i) => [i === 0 ? widths[0] : widths[1], widths[1]] as const);
		super(sizes, attends ? count : 0, options);
		this.downsamplers = padding === null ? null : new ModuleList([new Downsample(widths[1], padding)]);
	}

	/** What each layer returns. */
	override forward(x: Tensor, time: Tensor): Tensor[] {
		const outputs: Tensor[] = [];
		for (let i = 0; i < this.resnets.items.length; i++) outputs.push(this.step(i, outputs.at(-1) ?? x, time));
		for (const layer of this.downsamplers?.items ?? []) outputs.push(layer.forward(outputs.at(-1)!));
		return outputs;
	}
}

class MidBlock extends Block {
	constructor(width: number, attends: boolean, options: BlockOptions) {
		const sizes = [
			[width, width],
			[width, width],
		] as const;
		super(sizes, attends ? 1 : 0, options);
	}

	override forward(x: Tensor, time: Tensor): Tensor {
		return this.step(1, this.step(0, x, time), time);
	}
}

class UpBlock extends Block {
	readonly upsamplers: ModuleList<Upsample> | null;

	constructor(sizes: readonly (readonly [number, number])[], attends: boolean, isLast: boolean, options: BlockOptions) {
		super(sizes, attends ? sizes.length : 0, options);
		this.upsamplers = isLast ? null : new ModuleList([new Upsample(sizes[0]![1])]);
	}

	/** Takes as many of the last `earlier` outputs as it has layers. */
	override forward(x: Tensor, time: Tensor, earlier: Tensor[]): Tensor {
		let y = x;
		for (let i = 0; i < this.resnets.items.length; i++) y = this.step(i, cat([y, earlier.pop()!], 1), time);
		return (this.upsamplers?.items ?? []).reduce((z, layer) => layer.forward(z), y);
	}
}

class TimeEmbedding extends HubModule {
	readonly linear_1: Linear;
	readonly linear_2: Linear;

	constructor(inFeatures: number, outFeatures: number) {
		super();
		this.linear_1 = new Linear(inFeatures, outFeatures);
		this.linear_2 = new Linear(outFeatures, outFeatures);
	}

	override forward(x: Tensor): Tensor {
		return this.linear_2.forward(silu(this.linear_1.forward(x)));
	}
}

/** Parts of keys in old files. */
const OLD_KEYS = [
	['.query.', '.to_q.'],
	['.key.', '.to_k.'],
	['.value.', '.to_v.'],
	['.proj_attn.', '.to_out.0.'],
] as const;

/** `config` has the fields of diffusers' UNet2DModel. */
export class UNet2DModel extends PretrainedModel {
	readonly convIn: Conv2d;
	readonly timeEmbedding: TimeEmbedding;
	readonly downBlocks: ModuleList<DownBlock>;
	readonly midBlock: MidBlock;
	readonly upBlocks: ModuleList<UpBlock>;
	readonly convNormOut: GroupNorm;
	readonly convOut: Conv2d;
	override readonly weightsName = 'diffusion_pytorch_model.safetensors';
	private readonly read: ConfigReader;
	private readonly activation: ActivationName;

	constructor(config: PretrainedConfig) {
		super({ _class_name: 'UNet2DModel', ...config });
		const read = new ConfigReader(config);
		this.read = read;
		for (const [name, only] of Object.entries(ONLY)) {
			const value = config[name] ?? only;
			if (value !== only) throw new FormatError(`config.json: ${name} must be ${String(only)}, not ${String(value)}`);
		}
		const widths = read.list('block_out_channels', 'counts');
		const down = read.list('down_block_types', 'texts');
		const up = read.list('up_block_types', 'texts');
		if (widths.length === 0 || down.length !== widths.length || up.length !== widths.length)
			throw new FormatError('config.json: block_out_channels, down_block_types and up_block_types must have the same length');
		const attends = (type: unknown, end: 'Down' | 'Up') => {
			if (type === `Attn${end}Block2D` || type === `${end}Block2D`) return type.startsWith('Attn');
			throw new FormatError(`config.json: a block must be ${end}Block2D or Attn${end}Block2D, not ${String(type)}`);
		};
		const [first, last, count] = [widths[0]!, widths.at(-1)!, read.count('layers_per_block', 2)];
		this.activation = read.oneOf('act_fn', ACTIVATION_NAMES, 'silu');
		const options: BlockOptions = {
			timeWidth: 4 * first,
			groups: read.count('norm_num_groups', 32),
			eps: read.number('norm_eps', 1e-5),
			dropout: read.number('dropout', 0),
			activation: this.activation,
			headSize: config.attention_head_dim === null ? null : read.count('attention_head_dim', 8),
		};
		const padding = read.number('downsample_padding', 1);
		this.convIn = convolution(read.count('in_channels', 3), first);
		this.timeEmbedding = new TimeEmbedding(first, 4 * first);
		const end = widths.length - 1;
		this.downBlocks = new ModuleList(
			widths.map((width, i) => {
				const sizes = [widths[i - 1] ?? first, width] as const;
				return new DownBlock(sizes, count, attends(down[i], 'Down'), i === end ? null : padding, options);
			}),
		);
		this.midBlock = new MidBlock(last, read.boolean('add_attention', true), options);
		const reversed = [...widths].reverse();
		this.upBlocks = new ModuleList(
			reversed.map((width, i) => {
				const before = reversed[i - 1] ?? last;
				const after = reversed[i + 1] ?? first;
				const sizes = Array.from({ length: count + 1 }, (_, k) => {
					const joined = (k === 0 ? before : width) + (k === count ? after : width);
					return [joined, width] as const;
				});
				return new UpBlock(sizes, attends(up[i], 'Up'), i === end, options);
			}),
		);
		this.convNormOut = new GroupNorm(options.groups, first, { eps: options.eps });
		this.convOut = convolution(first, read.count('out_channels', 3));
	}

	/** [N, out_channels, H, W] for images [N, in_channels, H, W] and their time steps: a number, or numbers [N]. */
	override forward(images: Tensor, timestep: number | Tensor): Tensor {
		return tidy(() => {
			const isCentred = this.read.boolean('center_input_sample', false);
			const time = this.timeEmbedding.forward(this.waves(images, timestep));
			const outputs = [this.convIn.forward(isCentred ? sub(mul(images, 2), 1) : images)];
			for (const block of this.downBlocks.items) outputs.push(...block.forward(outputs.at(-1)!, time));
			let x = this.midBlock.forward(outputs.at(-1)!, time);
			for (const block of this.upBlocks.items) x = block.forward(x, time, outputs);
			return this.convOut.forward(ACTIVATIONS[this.activation](this.convNormOut.forward(x)));
		});
	}

	/** Sines and cosines of the time steps, [N, width]. */
	private waves({ shape, device, dtype }: Tensor, timestep: number | Tensor): Tensor {
		const width = this.convIn.weight.shape[0]!;
		const half = Math.floor(width / 2);
		const rate = -Math.log(10000) / (half - this.read.number('freq_shift', 0));
		const rates = tensor(
			Float64Array.from({ length: half }, (_, i) => Math.exp(rate * i)),
			{ dtype: 'float32', device },
		);
		const steps = typeof timestep === 'number' ? full([shape[0]!], timestep, { device }) : to(timestep, 'float32');
		const angles = mul(unsqueeze(expand(steps, [shape[0]!]), 1), rates);
		const waves = this.read.boolean('flip_sin_to_cos', true) ? [cos(angles), sin(angles)] : [sin(angles), cos(angles)];
		return to(pad(cat(waves, 1), [0, width % 2]), dtype);
	}

	/** Old files have other names of attention. */
	override keyOf(key: string): string | null {
		return key.includes('.attentions.') ? OLD_KEYS.reduce((name, [theirs, ours]) => name.replace(theirs, ours), key) : key;
	}
}

/** Fields for which a single value is built. */
const ONLY: Readonly<Record<string, unknown>> = {
	time_embedding_type: 'positional',
	downsample_type: 'conv',
	upsample_type: 'conv',
	mid_block_scale_factor: 1,
	resnet_time_scale_shift: 'default',
	attn_norm_num_groups: null,
	class_embed_type: null,
	num_class_embeds: null,
};
