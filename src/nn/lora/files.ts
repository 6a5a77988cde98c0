/** Saves and loads adapters in PEFT's files: adapter_config.json and adapter_model.safetensors. */
import { noGrad } from '../../autograd/modes';
import { describe, requireInstance } from '../../core/checks';
import { ArgumentError, FormatError, formatShape } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { sameShape } from '../../core/shape';
import { isObject } from '../../core/state';
import { loadSafetensors, saveSafetensors } from '../../io';
import { copy_ } from '../../ops/inplace';
import { detach } from '../../ops/layout';
import type { Tensor } from '../../tensor';
import type { Module } from '../module';
import { apply, LoraModel, type Targets } from './model';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';

/** The contents of an adapter's files, by file name. */
export interface LoraFiles {
	readonly [CONFIG]: string;
	readonly [WEIGHTS]: Uint8Array;
}

export interface SaveOptions {
	/** The adapter. Default: the active one. */
	readonly name?: string;
	/** The name or path of the base model, for readers that load it. Default none. */
	readonly baseModelNameOrPath?: string;
	/** PEFT's task, such as 'CAUSAL_LM'. Default none. */
	readonly taskType?: string;
}

/**
 * Returns the files of an adapter, which PEFT's `PeftModel.from_pretrained` reads from a folder:
 *
 *     for (const [name, content] of Object.entries(await nn.lora.save(lora))) await writeFile(join(folder, name), content);
 */
export async function save(lora: LoraModel, options: SaveOptions = {}): Promise<LoraFiles> {
	requireInstance('lora.save', 'the argument', lora, LoraModel, 'the result of nn.lora.apply');
	const {
		name = onlyActive(lora),
		baseModelNameOrPath = null,
		taskType = null,
	} = checkOptions('lora.save', options, ['name', 'baseModelNameOrPath', 'taskType']);
	const { rank, alpha, dropout, rslora, fanInFanOut, targets } = lora.config(name);
	const config = {
		alpha_pattern: {},
		auto_mapping: null,
		base_model_name_or_path: baseModelNameOrPath,
		bias: 'none',
		fan_in_fan_out: fanInFanOut,
		inference_mode: true,
		init_lora_weights: true,
		layers_pattern: null,
		layers_to_transform: null,
		lora_alpha: alpha,
		lora_dropout: dropout,
		modules_to_save: null,
		peft_type: 'LORA',
		r: rank,
		rank_pattern: {},
		revision: null,
		target_modules: targets instanceof RegExp ? targets.source : targets === 'all-linear' ? lora.targets(name) : targets,
		task_type: taskType,
		use_dora: false,
		use_rslora: rslora,
	};
	const state = Object.fromEntries(lora.parametersOf(name).map(([key, parameter]) => [key, detach(parameter)]));
	return { [CONFIG]: `${JSON.stringify(config, null, 2)}\n`, [WEIGHTS]: await saveSafetensors(state, { format: 'pt' }) };
}

function onlyActive({ active }: LoraModel): string {
	if (active.length !== 1)
		throw new ArgumentError(`lora.save: ${active.length} adapters are active; say which one to save: { name }`);
	return active[0]!;
}

/**
 * Adds the adapter in PEFT's files to a model, and activates it. `options.name` names it (default 'default'). Throws for features that
 * wgrad lacks: DoRA, trained biases, saved modules, and ranks or alphas by layer.
 */
export function load(model: Module, files: LoraFiles, options: { readonly name?: string } = {}): LoraModel {
	const { name = 'default' } = checkOptions('lora.load', options, ['name']);
	if (!isObject(files) || typeof files[CONFIG] !== 'string' || files[WEIGHTS] === undefined)
		throw new ArgumentError(`lora.load: it takes { '${CONFIG}': text, '${WEIGHTS}': bytes }, not ${describe(files)}`);
	const config = readConfig(files[CONFIG]);
	const state = loadSafetensors(files[WEIGHTS], { device: 'cpu' });
	const lora = apply(model, { ...config, name });
	try {
		copyState(lora, name, state);
	} catch (error) {
		if (lora.delete(name).names.length === 0) lora.unload();
		throw error;
	}
	return lora;
}

function copyState(lora: LoraModel, name: string, state: Readonly<Record<string, Tensor>>): void {
	const own = new Map(lora.parametersOf(name));
	const missing = [...own.keys()].filter((key) => !Object.hasOwn(state, key));
	const unexpected = Object.keys(state).filter((key) => !own.has(key));
	const problems: string[] = [];
	if (missing.length > 0) problems.push(`missing keys: ${missing.join(', ')}`);
	if (unexpected.length > 0) problems.push(`unexpected keys: ${unexpected.join(', ')}`);
	for (const [key, { shape }] of own)
		if (Object.hasOwn(state, key) && !sameShape(state[key]!.shape, shape))
			problems.push(`${key}: shape ${formatShape(state[key]!.shape)} in the file, ${formatShape(shape)} in the model`);
	if (problems.length > 0) throw new FormatError(`lora.load: ${problems.join('; ')}`);
	noGrad(() => {
		for (const [key, parameter] of own) copy_(parameter, state[key]!);
	});
}

/** The settings of features that wgrad lacks, each with the values that switch the feature off. */
const UNSUPPORTED: Readonly<Record<string, readonly unknown[]>> = {
	use_dora: [false],
	bias: ['none'],
	lora_bias: [false],
	modules_to_save: [null],
	rank_pattern: [null],
	alpha_pattern: [null],
	layers_to_transform: [null],
	exclude_modules: [null],
	target_parameters: [null],
};

function readConfig(text: string) {
	const fail = (message: string): never => {
		throw new FormatError(`lora.load: ${CONFIG}: ${message}`);
	};
	let config: Record<string, unknown>;
	try {
		config = JSON.parse(text) as Record<string, unknown>;
	} catch (error) {
		return fail(`not valid JSON: ${(error as Error).message}`);
	}
	if (!isObject(config) || config.peft_type !== 'LORA')
		return fail(`peft_type is ${JSON.stringify(config?.peft_type)}, not "LORA"`);
	for (const [key, allowed] of Object.entries(UNSUPPORTED)) {
		const value = config[key];
		const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
		if (value !== undefined && !isEmpty && !allowed.includes(value))
			fail(`${key} is ${JSON.stringify(value)}, which wgrad does not support`);
	}
	const { r, lora_alpha, lora_dropout = 0, fan_in_fan_out = false, use_rslora = false, target_modules } = config;
	return {
		rank: r as number,
		alpha: lora_alpha as number,
		dropout: lora_dropout as number,
		fanInFanOut: fan_in_fan_out === true,
		rslora: use_rslora === true,
		targets: (typeof target_modules === 'string' && target_modules !== 'all-linear'
			? new RegExp(target_modules)
			: target_modules) as Targets,
	};
}
