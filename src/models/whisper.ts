/**
 * Whisper: speech to text by an encoder of spectrograms and a decoder of tokens. Radford et al. 2022. Keys are those of Hugging Face's
 * WhisperForConditionalGeneration.
 */
import { ArgumentError, FormatError, formatShape, ShapeError } from '../core/errors';
import { Conv1d, Dropout, Embedding, KVCache, LayerNorm, Linear, ModuleList } from '../nn';
import { areValuesSkipped } from '../nn/skipInit';
import { scaledDotProductAttention } from '../ops/attention';
import { tensor } from '../ops/creation';
import { add, gelu } from '../ops/elementwise';
import { copy_ } from '../ops/inplace';
import { narrow, pad, select, transpose, unsqueeze } from '../ops/layout';
import type { Tensor } from '../tensor';
import { keep, tidy } from '../tidy';
import { ACTIVATION_NAMES, ACTIVATIONS, type ActivationName } from './activations';
import { single } from './causalModel';
import { ConfigReader, type PretrainedConfig } from './config';
import { type GenerateOptions, type Generating, generate } from './generate';
import { TiedHead } from './gpt2';
import { attendCausally, mergeHeads, splitHeads } from './heads';
import { HubModule, inferring, PretrainedModel, requireLength } from './hubModule';
import { HOP, logMel, SAMPLE_RATE } from './logMel';

interface LayerOptions {
	readonly width: number;
	readonly heads: number;
	readonly inner: number;
	readonly activation: ActivationName;
	readonly dropout: number;
	readonly attentionDropout: number;
	readonly activationDropout: number;
}

/** Keys and values of all heads, [N, heads, L, size]. */
interface KeysAndValues {
	readonly key: Tensor;
	readonly value: Tensor;
}

class Attention extends HubModule {
	readonly kProj: Linear;
	readonly vProj: Linear;
	readonly qProj: Linear;
	readonly outProj: Linear;

	constructor(readonly options: LayerOptions) {
		super();
		const { width } = options;
		this.kProj = new Linear(width, width, { bias: false });
		this.vProj = new Linear(width, width);
		this.qProj = new Linear(width, width);
		this.outProj = new Linear(width, width);
	}

	keysAndValues(x: Tensor): KeysAndValues {
		const { heads } = this.options;
		return { key: splitHeads(this.kProj.forward(x), heads), value: splitHeads(this.vProj.forward(x), heads) };
	}

	/** Attends from x to `source`: to all of it, or causally, with earlier tokens in `cache`. */
	override forward(x: Tensor, { key, value }: KeysAndValues, isCausal = false, cache: KVCache | null = null): Tensor {
		const { heads, attentionDropout } = this.options;
		const query = splitHeads(this.qProj.forward(x), heads);
		const dropoutP = this.training ? attentionDropout : 0;
		if (!isCausal) return this.outProj.forward(mergeHeads(scaledDotProductAttention(query, key, value, { dropoutP })));
		const earlier = cache?.length ?? 0;
		const call = { caches: null, earlier, mask: null, isCausal: earlier === 0, step: null };
		return this.outProj.forward(mergeHeads(attendCausally(query, key, value, call, cache, dropoutP)));
	}
}

class EncoderLayer extends HubModule {
	readonly selfAttn: Attention;
	readonly selfAttnLayerNorm: LayerNorm;
	readonly fc1: Linear;
	readonly fc2: Linear;
	readonly finalLayerNorm: LayerNorm;
	readonly dropout: Dropout;
	readonly activationDropout: Dropout;

	constructor(readonly options: LayerOptions) {
		super();
		const { width, inner, dropout, activationDropout } = options;
		this.selfAttn = new Attention(options);
		this.selfAttnLayerNorm = new LayerNorm(width);
		this.fc1 = new Linear(width, inner);
		this.fc2 = new Linear(inner, width);
		this.finalLayerNorm = new LayerNorm(width);
		this.dropout = new Dropout(dropout);
		this.activationDropout = new Dropout(activationDropout);
	}

	protected attend(x: Tensor, isCausal: boolean, cache: KVCache | null): Tensor {
		const y = this.selfAttnLayerNorm.forward(x);
		return add(x, this.dropout.forward(this.selfAttn.forward(y, this.selfAttn.keysAndValues(y), isCausal, cache)));
	}

	protected transform(x: Tensor): Tensor {
		const inner = ACTIVATIONS[this.options.activation](this.fc1.forward(this.finalLayerNorm.forward(x)));
		return add(x, this.dropout.forward(this.fc2.forward(this.activationDropout.forward(inner))));
	}

	override forward(x: Tensor, ..._others: unknown[]): Tensor {
		return tidy(() => this.transform(this.attend(x, false, null)));
	}
}

class DecoderLayer extends EncoderLayer {
	readonly encoderAttn: Attention;
	readonly encoderAttnLayerNorm: LayerNorm;

	constructor(options: LayerOptions) {
		super(options);
		this.encoderAttn = new Attention(options);
		this.encoderAttnLayerNorm = new LayerNorm(options.width);
	}

	override forward(x: Tensor, encoded: KeysAndValues, cache: KVCache | null): Tensor {
		return tidy(() => {
			const y = this.attend(x, true, cache);
			const heard = this.encoderAttn.forward(this.encoderAttnLayerNorm.forward(y), encoded);
			return this.transform(add(y, this.dropout.forward(heard)));
		});
	}
}

/** Sines, then cosines, of positions at rates from 1 to 1 / 10000. */
function sinusoids(positions: number, width: number): Tensor {
	const half = width / 2;
	const values = Float64Array.from({ length: positions * width }, (_, n) => {
		const k = n % width;
		const angle = Math.floor(n / width) * Math.exp((-Math.log(10000) * (k % half)) / Math.max(1, half - 1));
		return k < half ? Math.sin(angle) : Math.cos(angle);
	});
	return tensor(values, { shape: [positions, width], dtype: 'float32' });
}

class Encoder extends HubModule {
	readonly conv1: Conv1d;
	readonly conv2: Conv1d;
	readonly embedPositions: Embedding;
	readonly layers: ModuleList<EncoderLayer>;
	readonly layerNorm: LayerNorm;
	readonly dropout: Dropout;

	constructor(bins: number, positions: number, layers: number, options: LayerOptions) {
		super();
		const { width, dropout } = options;
		this.conv1 = new Conv1d(bins, width, 3, { padding: 1 });
		this.conv2 = new Conv1d(width, width, 3, { stride: 2, padding: 1 });
		this.embedPositions = new Embedding(positions, width);
		// Not trained.
		this.embedPositions.weight.requiresGrad_(false);
		if (!areValuesSkipped()) tidy(() => void copy_(this.embedPositions.weight, sinusoids(positions, width)));
		this.layers = new ModuleList(Array.from({ length: layers }, () => new EncoderLayer(options)));
		this.layerNorm = new LayerNorm(width);
		this.dropout = new Dropout(dropout);
	}

	override forward(features: Tensor): Tensor {
		return tidy(() => {
			const convolved = gelu(this.conv2.forward(gelu(this.conv1.forward(features))));
			const first = this.dropout.forward(add(transpose(convolved, 1, 2), this.embedPositions.weight));
			return this.layerNorm.forward(this.layers.items.reduce((x, layer) => layer.forward(x), first));
		});
	}
}

class Decoder extends HubModule {
	readonly embedTokens: Embedding;
	readonly embedPositions: Embedding;
	readonly layers: ModuleList<DecoderLayer>;
	readonly layerNorm: LayerNorm;
	readonly dropout: Dropout;

	constructor(vocabulary: number, positions: number, layers: number, options: LayerOptions) {
		super();
		const { width, dropout } = options;
		this.embedTokens = new Embedding(vocabulary, width);
		this.embedPositions = new Embedding(positions, width);
		this.layers = new ModuleList(Array.from({ length: layers }, () => new DecoderLayer(options)));
		this.layerNorm = new LayerNorm(width);
		this.dropout = new Dropout(dropout);
	}

	/** What the layers attend to in the encoder's output. */
	heard(encoded: Tensor): KeysAndValues[] {
		return this.layers.items.map((layer) => layer.encoderAttn.keysAndValues(encoded));
	}

	override forward(tokens: Tensor, heard: readonly KeysAndValues[], caches: readonly KVCache[] | null): Tensor {
		const positions = narrow(this.embedPositions.weight, 0, caches?.[0]?.length ?? 0, tokens.shape[1]!);
		let x = this.dropout.forward(add(this.embedTokens.forward(tokens), positions));
		for (const [i, layer] of this.layers.items.entries()) x = layer.forward(x, heard[i]!, caches?.[i] ?? null);
		return this.layerNorm.forward(x);
	}
}

class Whisper extends HubModule {
	constructor(
		readonly encoder: Encoder,
		readonly decoder: Decoder,
	) {
		super();
	}

	override forward(features: Tensor, tokens: Tensor): Tensor {
		return this.decoder.forward(tokens, this.decoder.heard(this.encoder.forward(features)), null);
	}
}

export interface WhisperOptions extends GenerateOptions {
	/** The language of the speech, such as 'en', of a model for several languages. Default: as the model's `forced_decoder_ids` say. */
	readonly language?: string;
	/** Default 'transcribe'. */
	readonly task?: 'transcribe' | 'translate';
	/** The tokens before the text, instead of those for language and task. */
	readonly prompt?: readonly number[];
}

/** `config` has the fields of Hugging Face's WhisperConfig, and `generation` those of a `generation_config.json`. */
export class WhisperForConditionalGeneration extends PretrainedModel {
	readonly model: Whisper;
	readonly projOut: TiedHead;
	/** The largest number of tokens, those before the text included. */
	readonly maxLength: number;
	/** The shape of a spectrogram: bins and frames. */
	readonly featureShape: readonly [number, number];

	constructor(config: PretrainedConfig) {
		super({ model_type: 'whisper', ...config });
		const read = new ConfigReader(config);
		const width = read.count('d_model');
		const options = (part: 'encoder' | 'decoder'): LayerOptions => {
			const heads = read.count(`${part}_attention_heads`);
			if (width % heads !== 0)
				throw new ArgumentError(
					`WhisperForConditionalGeneration: d_model ${width} does not divide into ${part}_attention_heads ${heads}`,
				);
			return {
				width,
				heads,
				inner: read.count(`${part}_ffn_dim`),
				activation: read.oneOf('activation_function', ACTIVATION_NAMES, 'gelu'),
				dropout: read.number('dropout', 0),
				attentionDropout: read.number('attention_dropout', 0),
				activationDropout: read.number('activation_dropout', 0),
			};
		};
		const [bins, positions] = [read.count('num_mel_bins', 80), read.count('max_source_positions', 1500)];
		if (width % 2 !== 0 || read.boolean('scale_embedding', false))
			throw new FormatError('config.json: d_model must be even, and scale_embedding must be false');
		this.maxLength = read.count('max_target_positions', 448);
		this.featureShape = [bins, 2 * positions];
		this.model = new Whisper(
			new Encoder(bins, positions, read.count('encoder_layers'), options('encoder')),
			new Decoder(read.count('vocab_size'), this.maxLength, read.count('decoder_layers'), options('decoder')),
		);
		this.projOut = new TiedHead(this.model.decoder.embedTokens.weight);
	}

	/** The spectrogram of speech, [1, bins, frames]. `samples` are numbers in [-1, 1], 16,000 a second, and at most 30 seconds. */
	features(samples: ArrayLike<number>): Tensor {
		const [bins, frames] = this.featureShape;
		const most = frames * HOP;
		if (samples.length > most) {
			throw new ArgumentError(
				`WhisperForConditionalGeneration.features: ${samples.length} samples are more than the ${most} that the model hears at once, ${most / SAMPLE_RATE} seconds. Pass them in parts`,
			);
		}
		const { device } = this.model.encoder.embedPositions.weight;
		return tidy(() => {
			const given = tensor(Float32Array.from(samples), { device });
			return unsqueeze(logMel(pad(given, [0, most - samples.length]), bins), 0);
		});
	}

	/** Logits [N, L, vocabulary] for spectrograms [N, bins, frames] and the text's tokens, int32 [N, L]. */
	override forward(features: Tensor, tokens: Tensor): Tensor {
		this.checkFeatures(features);
		requireLength(this, tokens.shape[1] ?? 0, this.maxLength);
		return tidy(() => this.projOut.forward(this.model.forward(features, tokens)));
	}

	/** Generates the tokens of the text that a spectrogram [1, bins, frames] holds, one at a time. */
	generate(features: Tensor, options: WhisperOptions = {}): AsyncGenerator<number, void> {
		return single(this.generateBatch(features, options));
	}

	/** Generates the tokens of several texts at once, for spectrograms [N, bins, frames]; null for a text that has ended. */
	async *generateBatch(features: Tensor, options: WhisperOptions = {}): AsyncGenerator<(number | null)[], void> {
		this.checkFeatures(features);
		const { language, task, prompt = this.promptOf(language, task), ...rest } = options;
		const { decoder, encoder } = this.model;
		const heard = inferring(this, () => tidy(() => decoder.heard(encoder.forward(features))));
		const masks = this.suppressed();
		const owned = [...heard.flatMap(({ key, value }) => [key, value]), ...masks.filter((mask) => mask !== null)].map(keep);
		const { device, dtype } = decoder.embedTokens.weight;
		const [{ width, heads }, [first, later]] = [decoder.layers.items[0]!.options, masks];
		const decoding: Generating = {
			maxLength: this.maxLength,
			makeCaches: (batch, maxLength) =>
				heard.map(() => new KVCache({ batch, heads, headSize: width / heads, maxLength, device, dtype })),
			next: (tokens, { caches }) =>
				inferring(this, () =>
					tidy(() => {
						const mask = caches[0]!.length === 0 ? first : later;
						const logits = this.projOut.forward(select(decoder.forward(tokens, heard, caches), 1, -1));
						return mask === null ? logits : add(logits, mask);
					}),
				),
		};
		try {
			yield* generate(decoding, new Array<readonly number[]>(features.shape[0]!).fill(prompt), rest);
		} finally {
			for (const each of owned) each.dispose();
		}
	}

	private checkFeatures({ shape }: Tensor): void {
		if (shape.length === 3 && shape.slice(1).join() === this.featureShape.join()) return;
		throw new ShapeError(
			`WhisperForConditionalGeneration: it takes spectrograms [N, ${this.featureShape.join(', ')}], as features() makes them, not ${formatShape(shape)}`,
		);
	}

	/** Old files have all fields in `config.json`. */
	private get generationReader(): ConfigReader {
		return new ConfigReader({ ...this.config, ...this.generation }, 'generation_config.json');
	}

	/** The tokens before the text. */
	private promptOf(language: string | undefined, task: WhisperOptions['task']): number[] {
		const read = this.generationReader;
		const start = read.count('decoder_start_token_id');
		if (language === undefined && task === undefined) {
			const forced = (read.config.forced_decoder_ids ?? []) as readonly (readonly [number, number | null])[];
			return [start, ...forced.flatMap(([, token]) => token ?? [])];
		}
		const languages = read.section('lang_to_id');
		if (languages === null || !languages.has(`<|${language ?? 'en'}|>`)) {
			const known = Object.keys(languages?.config ?? {}).map((name) => name.replace(/[<|>]/g, ''));
			throw new ArgumentError(
				`generate: the model knows no language '${language ?? 'en'}'; it has ${known.join(', ') || 'none'}`,
			);
		}
		const spoken = languages.count(`<|${language ?? 'en'}|>`);
		const tasks = read.section('task_to_id');
		if (tasks === null) throw new ArgumentError('generate: the model has no tasks. Leave out language and task');
		return [start, spoken, tasks.count(task ?? 'transcribe'), read.count('no_timestamps_token_id')];
	}

	/** What to add to the logits of the first and of later tokens, so that suppressed tokens are never chosen; null for nothing. */
	private suppressed(): [Tensor | null, Tensor | null] {
		const { weight } = this.projOut;
		const read = this.generationReader;
		const listed = (name: string) => (read.has(name) ? read.list(name, 'counts') : []);
		const mask = (tokens: readonly number[]) => {
			if (tokens.length === 0) return null;
			const values = new Float32Array(weight.shape[0]!);
			for (const token of tokens) values[token] = Number.NEGATIVE_INFINITY;
			return tensor(values, { dtype: weight.dtype, device: weight.device });
		};
		const always = listed('suppress_tokens');
		return [mask([...always, ...listed('begin_suppress_tokens')]), mask(always)];
	}

	/** Files of the model without its head have no prefix. */
	override keyOf(key: string): string | null {
		return /^(model|proj_out)\./.test(key) ? key : `model.${key}`;
	}
}
