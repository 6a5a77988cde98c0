/** Loads whole models with their weights and tokenizers, and saves them. */
import { noGrad } from '../autograd/modes';
import type { DeviceName } from '../backends/contract';
import { defaultDevice, setDefaultDevice } from '../backends/registry';
import { describe } from '../core/checks';
import type { DType } from '../core/dtype';
import { ArgumentError, FormatError } from '../core/errors';
import { checkOptions } from '../core/options';
import { type Shape, sameShape } from '../core/shape';
import { parsed, type Source, sourceName } from '../data/sources';
import { readIndex, withTensors } from '../io/load';
import type { OpenOptions } from '../io/options';
import { saveSafetensors } from '../io/state';
import { Parameter, type StateDict } from '../nn';
import { withoutValues } from '../nn/skipInit';
import { to } from '../ops/elementwise';
import { reshape } from '../ops/layout';
import type { Tensor } from '../tensor';
import { keep, tidy } from '../tidy';
import { BertModel } from './bert';
import { CausalModel } from './causalModel';
import type { PretrainedConfig } from './config';
import { type HubOptions, type ModelSource, type OpenFile, openFolder, readJson } from './folder';
import type { GenerateOptions } from './generate';
import { GPT2LMHeadModel } from './gpt2';
import type { PretrainedModel } from './hubModule';
import { LlamaForCausalLM } from './llama';
import { MobileNetV2 } from './mobilenet';
import { MobileNetV3 } from './mobilenetV3';
import { ResNet } from './resnet';
import { type ChatMessage, Tokenizer } from './tokenizer';
import { UNet2DModel } from './unet';
import { ViTForImageClassification } from './vit';
import { WhisperForConditionalGeneration, type WhisperOptions } from './whisper';

export interface PretrainedOptions extends HubOptions {
	/** The device of the model. Default: the default device. */
	readonly device?: DeviceName;
	/** The dtype of the model's parameters. Default float32. */
	readonly dtype?: DType;
	/** The largest number of tokens of a Llama. Default: the config's, at most 4096. */
	readonly maxLength?: number;
	/** Called with the tensors loaded so far and the number of all. */
	readonly onProgress?: ((loaded: number, total: number) => void) | null;
	/** Ends the call: it rejects with the signal's reason. */
	readonly signal?: OpenOptions['signal'];
	/** Whether to keep downloaded weights, or in which folder: see `io.load`. Default true. */
	readonly cache?: OpenOptions['cache'];
}

const OPTIONS = ['hub', 'revision', 'device', 'dtype', 'maxLength', 'onProgress', 'signal', 'cache'] as const;

type Architecture = (config: PretrainedConfig, options: PretrainedOptions) => PretrainedModel;

/** Makes models by `model_type`, or by the `_class_name` of diffusers. */
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
	gpt2: (config) => new GPT2LMHeadModel(config),
	llama: llama,
	mistral: llama,
	qwen2: llama,
	bert: (config) => new BertModel(config),
	distilbert: (config) => new BertModel(config),
	vit: (config) => new ViTForImageClassification(config),
	resnet: ({ model_type: _, depth, ...options }) => new ResNet(depth as 18, options),
	mobilenet_v2: ({ model_type: _, ...options }) => new MobileNetV2(options),
	mobilenet_v3: ({ model_type: _, size, ...options }) => new MobileNetV3(size as 'large', options),
	whisper: (config) => new WhisperForConditionalGeneration(config),
	UNet2DModel: (config) => new UNet2DModel(config),
};

function llama(config: PretrainedConfig, { maxLength }: PretrainedOptions): LlamaForCausalLM {
	return new LlamaForCausalLM(config, maxLength === undefined ? {} : { maxLength });
}

/** A model with what belongs to it. */
export class Pretrained<M extends PretrainedModel = PretrainedModel> {
	constructor(
		readonly model: M,
		/** null if the files have no tokenizer.json, such as those of a model for images. */
		readonly tokenizer: Tokenizer | null,
		/** Tokens that end a text. */
		readonly endTokens: readonly number[],
	) {}

	/**
	 * Yields the text that follows `prompt`, piece by piece. Ends after the model's own end of text. Throws unless the model generates text.
	 */
	async *complete(prompt: string, options: GenerateOptions = {}): AsyncGenerator<string, void> {
		const { model, tokenizer } = this;
		if (!(model instanceof CausalModel)) throw new ArgumentError(`complete: a ${model.constructor.name} does not generate text`);
		if (tokenizer === null) throw new ArgumentError('complete: the model has no tokenizer.json. Use model.generate(tokens)');
		yield* this.#texts(model.generate(tokenizer.encode(prompt), this.#ending(options)), tokenizer);
	}

	/**
	 * Yields the text of speech, piece by piece. `samples` are numbers in [-1, 1], 16,000 a second, and at most 30 seconds. Throws unless the model
	 * is a Whisper.
	 */
	async *transcribe(samples: ArrayLike<number>, options: WhisperOptions = {}): AsyncGenerator<string, void> {
		const { model, tokenizer } = this;
		if (!(model instanceof WhisperForConditionalGeneration))
			throw new ArgumentError(`transcribe: a ${model.constructor.name} does not hear speech`);
		if (tokenizer === null) throw new ArgumentError('transcribe: the model has no tokenizer.json. Use model.generate(features)');
		using features = keep(model.features(samples));
		yield* this.#texts(model.generate(features, this.#ending(options)), tokenizer);
	}

	/** Options that end at the model's own end of text too. */
	#ending<O extends GenerateOptions>(options: O): O {
		return { ...options, stop: [...this.endTokens, ...(options.stop ?? [])] };
	}

	async *#texts(generated: AsyncIterable<number>, tokenizer: Tokenizer): AsyncGenerator<string, void> {
		const tokens: number[] = [];
		let shown = 0;
		for await (const token of generated) {
			tokens.push(token);
			const text = tokenizer.decode(tokens);
			// The bytes of a character may come with several tokens.
			if (text.length === shown || text.endsWith('\ufffd')) continue;
			yield text.slice(shown);
			shown = text.length;
		}
	}

	/** Yields the answer to a conversation, piece by piece, as `complete`. */
	async *chat(messages: readonly ChatMessage[], options: GenerateOptions = {}): AsyncGenerator<string, void> {
		if (this.tokenizer === null) throw new ArgumentError('chat: the model has no tokenizer.json');
		yield* this.complete(await this.tokenizer.applyChatTemplate(messages), options);
	}
}

/**
 * Loads a model from a folder, an address or the hub: `config.json`, `model.safetensors` (or `model.safetensors.index.json` and its parts) and, if it
 * is there, `tokenizer.json`. The network is used only for names and addresses. `model_type` chooses the architecture: gpt2, llama, mistral, qwen2,
 * bert, distilbert, vit, whisper, diffusers' UNet2DModel, and resnet, mobilenet_v2 and mobilenet_v3 as `savePretrained` writes them. The model is in inference mode.
 */
export async function fromPretrained<M extends PretrainedModel = PretrainedModel>(
	source: ModelSource,
	options: PretrainedOptions = {},
): Promise<Pretrained<M>> {
	checkOptions('fromPretrained', options, OPTIONS);
	const open = await openFolder(source, options);
	const config = await readJson(open, 'config.json');
	if (config === null || typeof config !== 'object' || Array.isArray(config)) {
		const what =
			typeof source === 'string' || source instanceof URL ? String(source) : 'name' in source ? source.name : 'the list of files';
		throw new FormatError(`fromPretrained: ${what} has no config.json that describes a model`);
	}
	const generation = (await readJson(open, 'generation_config.json')) as PretrainedConfig | null;
	const kind = (config as PretrainedConfig).model_type ?? (config as PretrainedConfig)._class_name;
	const end = generation?.eos_token_id ?? (config as PretrainedConfig).eos_token_id;
	if (typeof kind !== 'string' || !Object.hasOwn(ARCHITECTURES, kind)) {
		throw new FormatError(
			`fromPretrained: config.json: model_type is ${describe(kind)}; wgrad has ${Object.keys(ARCHITECTURES).join(', ')}`,
		);
	}
	const make = () => withoutValues(() => ARCHITECTURES[kind]!(config as PretrainedConfig, options));
	const model = options.device === undefined ? make() : onDevice(options.device, make);
	model.generation = generation;
	await loadWeights(model, open, options);
	if (options.dtype !== undefined) model.to(options.dtype);
	const tokenizer = await readJson(open, 'tokenizer.json');
	const settings = await readJson(open, 'tokenizer_config.json');
	const endTokens = (Array.isArray(end) ? end : [end]).filter((token): token is number => Number.isInteger(token));
	return new Pretrained(
		model.eval() as M,
		tokenizer === null ? null : await Tokenizer.from(tokenizer as object, (settings ?? {}) as object),
		endTokens,
	);
}

/** Runs `make`, which creates tensors on `device`. */
function onDevice<T>(device: DeviceName, make: () => T): T {
	const before = defaultDevice();
	setDefaultDevice(device);
	try {
		return make();
	} finally {
		setDefaultDevice(before);
	}
}

/** The files with the weights, and the names that their index lists. As with Hugging Face, a whole file is tried before an index. */
async function weightFiles(
	name: string,
	open: OpenFile,
	options: OpenOptions,
): Promise<{ files: Source[]; expected: readonly string[] }> {
	const whole = await open(name);
	if (whole !== null) return { files: [whole], expected: [] };
	const index = await open(`${name}.index.json`);
	if (index === null) throw new FormatError(`fromPretrained: ${name} is not there`);
	const map = await parsed(sourceName(index), () => readIndex('fromPretrained', index, options));
	const files: Source[] = [];
	for (const shard of new Set(map.values())) {
		const file = await open(shard);
		if (file === null) throw new FormatError(`fromPretrained: ${shard} is not there`);
		files.push(file);
	}
	return { files, expected: [...map.keys()] };
}

/** Gives the tensors of all files to the model, one at a time, in the wanted dtype, so that no weight is in memory twice. */
async function loadWeights(
	model: PretrainedModel,
	open: OpenFile,
	{ device, dtype, onProgress, signal, cache = true }: PretrainedOptions,
): Promise<void> {
	signal?.throwIfAborted();
	const { files, expected } = await weightFiles(model.weightsName, open, { cache, ...(signal && { signal }) });
	const read = dtype === 'float16' || dtype === 'bfloat16' ? dtype : 'float32';
	const options = { dtype: read, cache, ...(device && { device }), ...(signal && { signal }) } as const;
	await withTensors('fromPretrained', files, expected, options, async ({ entries, read }) => {
		const own = entries.flatMap(({ name, shape }) => {
			const key = model.keyOf(name);
			return key === null ? [] : [[key, { shape }] as const];
		});
		requireComplete(model, files, Object.fromEntries(own));
		const targets = model.ownState();
		let loaded = 0;
		await read(
			({ name, tensor }) => {
				const key = model.keyOf(name)!;
				const target = targets.get(key);
				if (target instanceof Parameter) target.adopt(fitted(tensor, target.shape, dtype ?? target.dtype));
				else {
					model.loadStateDict({ [key]: tensor }, { strict: false });
					tensor.dispose();
				}
				onProgress?.(++loaded, own.length);
			},
			(name) => model.keyOf(name) !== null,
		);
	});
}

/** `tensor` in this shape, of as many elements, and this dtype. */
function fitted(tensor: Tensor, shape: Shape, dtype: DType): Tensor {
	if (tensor.dtype === dtype && sameShape(tensor.shape, shape)) return tensor;
	const result = noGrad(() => tidy(() => reshape(to(tensor, dtype), shape)));
	tensor.dispose();
	return result;
}

/** Throws a FormatError that lists every missing, unexpected and misshapen key. */
function requireComplete(model: PretrainedModel, files: readonly Source[], found: Record<string, { shape: Shape }>): void {
	const { missingKeys, unexpectedKeys, misshapen } = model.compareState(found);
	const problems = [...misshapen];
	if (unexpectedKeys.length > 0) problems.unshift(`there are keys that the model has not: ${unexpectedKeys.join(', ')}`);
	if (missingKeys.length > 0) problems.unshift(`the files lack keys of the model: ${missingKeys.join(', ')}`);
	if (problems.length > 0) throw new FormatError(`fromPretrained: ${files.map(sourceName).join(', ')}: ${problems.join('; ')}`);
}

/** The model's tensors under the keys of files. A tensor with several keys gets the first, because files hold no tensor twice. */
export function fileState(model: PretrainedModel): StateDict {
	const seen = new Set<unknown>();
	const entries = Object.entries(model.stateDict()).filter(([, { storage }]) => !seen.has(storage) && seen.add(storage));
	return Object.fromEntries(entries.map(([key, tensor]) => [model.fileKeyOf(key), tensor]));
}

/** What is saved: a model, or a model with its tokenizer. */
export type Saved = PretrainedModel | Pretrained;

/** The files with settings and the tokenizer, by name. */
export function configFiles(saved: Saved): Record<string, Uint8Array> {
	const { config, generation } = modelOf(saved);
	const tokenizer = saved instanceof Pretrained ? saved.tokenizer?.files : null;
	const values = { 'config.json': config, 'generation_config.json': generation, ...tokenizer };
	return Object.fromEntries(
		Object.entries(values)
			.filter(([, value]) => value !== null)
			.map(([name, value]) => [name, new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)]),
	);
}

export function modelOf(saved: Saved): PretrainedModel {
	return saved instanceof Pretrained ? saved.model : saved;
}

/**
 * The files of a model by name, as `fromPretrained` reads them: `config.json`, `model.safetensors`, and `generation_config.json` if the model has it.
 * Of what `fromPretrained` returned, also the tokenizer's.
 */
export async function pretrainedFiles(saved: Saved): Promise<Record<string, Uint8Array>> {
	const model = modelOf(saved);
	return { ...configFiles(saved), [model.weightsName]: await saveSafetensors(fileState(model), FILE_METADATA) };
}

/** Hugging Face's libraries ask for it. */
export const FILE_METADATA = { format: 'pt' };
