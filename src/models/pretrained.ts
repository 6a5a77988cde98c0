/** Loads whole models with their weights and tokenizers, and saves them. */
import type { DeviceName } from '../backends/contract';
import { describe } from '../core/checks';
import type { DType } from '../core/dtype';
import { ArgumentError, FormatError } from '../core/errors';
import { checkOptions } from '../core/options';
import { sourceName } from '../data/sources';
import { load } from '../io/load';
import type { OpenOptions } from '../io/options';
import { saveSafetensors } from '../io/state';
import type { Tensor } from '../tensor';
import { BertModel } from './bert';
import { CausalModel } from './causalModel';
import type { PretrainedConfig } from './config';
import { type HubOptions, type ModelSource, type OpenFile, openFolder, readJson } from './folder';
import type { GenerateOptions } from './generate';
import { GPT2LMHeadModel } from './gpt2';
import type { PretrainedModel } from './hubModule';
import { LlamaForCausalLM } from './llama';
import { MobileNetV2 } from './mobilenet';
import { ResNet } from './resnet';
import { type ChatMessage, Tokenizer } from './tokenizer';
import { ViTForImageClassification } from './vit';

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

/** Makes models by `model_type`. */
const ARCHITECTURES: Readonly<Record<string, (config: PretrainedConfig, options: PretrainedOptions) => PretrainedModel>> = {
	gpt2: (config) => new GPT2LMHeadModel(config),
	llama: llama,
	mistral: llama,
	qwen2: llama,
	bert: (config) => new BertModel(config),
	distilbert: (config) => new BertModel(config),
	vit: (config) => new ViTForImageClassification(config),
	resnet: ({ model_type: _, depth, ...options }) => new ResNet(depth as 18, options),
	mobilenet_v2: ({ model_type: _, ...options }) => new MobileNetV2(options),
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
		const tokens: number[] = [];
		let shown = 0;
		const stop = [...this.endTokens, ...(options.stop ?? [])];
		for await (const token of model.generate(tokenizer.encode(prompt), { ...options, stop })) {
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
 * bert, distilbert, vit, and resnet and mobilenet_v2 as `savePretrained` writes them. The model is in inference mode.
 */
export async function fromPretrained<M extends PretrainedModel = PretrainedModel>(
	source: ModelSource,
	options: PretrainedOptions = {},
): Promise<Pretrained<M>> {
	checkOptions('fromPretrained', options, OPTIONS);
	const open = await openFolder(source, options);
	const config = await readJson(open, 'config.json');
	if (config === null || typeof config !== 'object' || Array.isArray(config)) {
		throw new FormatError(`fromPretrained: ${String(source)} has no config.json that describes a model`);
	}
	const { model_type: kind, eos_token_id: end } = config as PretrainedConfig;
	if (typeof kind !== 'string' || !Object.hasOwn(ARCHITECTURES, kind)) {
		throw new FormatError(
			`fromPretrained: config.json: model_type is ${describe(kind)}; wgrad has ${Object.keys(ARCHITECTURES).join(', ')}`,
		);
	}
	const model = ARCHITECTURES[kind]!(config as PretrainedConfig, options);
	await loadWeights(model, open, options);
	if (options.dtype !== undefined) model.to(options.dtype);
	if (options.device !== undefined) await model.to(options.device);
	const tokenizer = await readJson(open, 'tokenizer.json');
	const settings = await readJson(open, 'tokenizer_config.json');
	const endTokens = (Array.isArray(end) ? end : [end]).filter((token): token is number => Number.isInteger(token));
	return new Pretrained(
		model.eval() as M,
		tokenizer === null ? null : await Tokenizer.from(tokenizer as object, (settings ?? {}) as object),
		endTokens,
	);
}

/** Copies the tensors of all files into the model, file by file. */
async function loadWeights(
	model: PretrainedModel,
	open: OpenFile,
	{ onProgress, signal, cache = true }: PretrainedOptions,
): Promise<void> {
	const index = (await readJson(open, 'model.safetensors.index.json')) as { weight_map?: Record<string, string> } | null;
	const names = index === null ? ['model.safetensors'] : [...new Set(Object.values(index.weight_map ?? {}))];
	const total = Object.keys(model.stateDict()).length;
	/** Keys that no file so far has; null before the first. */
	let missing = null as readonly string[] | null;
	let loaded = 0;
	for (const name of names) {
		signal?.throwIfAborted();
		const source = await open(name);
		if (source === null) throw new FormatError(`fromPretrained: ${name} is not there`);
		const tensors = await load(source, { cache, dtype: 'float32', ...(signal && { signal }) });
		const state: Record<string, Tensor> = {};
		for (const [key, value] of Object.entries(tensors)) {
			const own = model.keyOf(key);
			if (own !== null) state[own] = value;
		}
		const { missingKeys, unexpectedKeys } = model.loadStateDict(state, { strict: false });
		for (const value of Object.values(tensors)) value.dispose();
		if (unexpectedKeys.length > 0)
			throw new FormatError(
				`fromPretrained: ${sourceName(source)} has keys that the model has not: ${unexpectedKeys.join(', ')}`,
			);
		missing = missing?.filter((key) => missingKeys.includes(key)) ?? missingKeys;
		loaded += Object.keys(state).length;
		onProgress?.(loaded, total);
	}
	if (missing === null || missing.length > 0) {
		throw new FormatError(`fromPretrained: the files lack keys of the model: ${missing?.join(', ') ?? 'all'}`);
	}
}

/** The files of a model by name, as `fromPretrained` reads them: `config.json` and `model.safetensors`. */
export async function pretrainedFiles(model: PretrainedModel): Promise<Record<'config.json' | 'model.safetensors', Uint8Array>> {
	const entries = Object.entries(model.stateDict()).map(([key, value]) => [model.fileKeyOf(key), value]);
	return {
		'config.json': new TextEncoder().encode(`${JSON.stringify(model.config, null, 2)}\n`),
		'model.safetensors': await saveSafetensors(Object.fromEntries(entries), { format: 'pt' }),
	};
}
