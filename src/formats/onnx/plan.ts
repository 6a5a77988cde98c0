/**
 * Turns a graph into a list of steps, whose values have numbers instead of names. Local functions become the steps of their bodies.
 *
 * Every fault that needs no inputs to be found is found here, and all operators that are missing are named at once.
 */
import { FormatError } from '../../core/errors';
import { quote } from '../../io/header';
import { Attributes } from './attributes';
import type {
	AttributeProto,
	FunctionProto,
	GraphProto,
	ModelProto,
	NodeProto,
	OperatorSetIdProto,
	TensorProto,
	ValueInfoProto,
} from './messages';
import { ATTRIBUTE_TYPE } from './messages';
import type { Operator } from './operator';
import { domainOf, operatorOf } from './operators';

export interface Step {
	readonly operator: Operator;
	readonly attributes: Attributes;
	readonly version: number;
	/** The values that it reads; -1 stands for an optional input that is absent. */
	readonly inputs: readonly number[];
	/** The types of the inputs in the file, of DATA_TYPE; undefined where the file does not say. */
	readonly types: readonly (number | undefined)[];
	/** The values that it makes; -1 stands for an output that nothing asks for. */
	readonly outputs: readonly number[];
	readonly subgraphs: ReadonlyMap<string, Plan>;
	/** Values of this plan that nothing reads after this step. */
	frees: readonly number[];
}

export interface Plan {
	readonly inputs: readonly number[];
	readonly outputs: readonly number[];
	steps: Step[];
}

/** A tensor in the file. */
export interface Stored {
	readonly value: number;
	readonly name: string;
	readonly proto: TensorProto;
	/** Whether it may be a weight: it is part of the graph itself, not of the body of a loop. */
	readonly isTop: boolean;
}

export interface Compiled {
	readonly plan: Plan;
	readonly inputs: readonly ValueInfoProto[];
	readonly outputs: readonly ValueInfoProto[];
	readonly stored: readonly Stored[];
	/** How many values there are. */
	readonly count: number;
}

const OLDEST = 7;
const NEWEST = 24;
const MOST_STEPS = 200_000;
const DEEPEST = 50;

class Scope {
	readonly values = new Map<string, number>();

	constructor(readonly parent: Scope | null) {}

	find(name: string): number | undefined {
		return this.values.get(name) ?? this.parent?.find(name);
	}
}

/** Where nodes stand: the versions of their operators, and the attributes of the function around them. */
interface Place {
	readonly scope: Scope;
	readonly versions: ReadonlyMap<string, number>;
	readonly attributes: ReadonlyMap<string, AttributeProto> | null;
	/** The types that the graph declares, by name. */
	readonly declared: ReadonlyMap<string, number>;
	readonly steps: Step[];
	readonly depth: number;
	/** For messages. */
	readonly name: string;
	readonly isTop: boolean;
}

export function compileModel(model: ModelProto): Compiled {
	if (model.graph === null) throw new FormatError('it holds no graph: it is no ONNX model');
	return new Compiler(model).compile(model.graph);
}

function versionsOf(sets: readonly OperatorSetIdProto[]): Map<string, number> {
	return new Map(sets.map(({ domain, version }) => [domainOf(domain), version]));
}

class Compiler {
	#count = 0;
	#steps = 0;
	/** The types of values in the file. */
	readonly #types = new Map<number, number>();
	readonly #stored: Stored[] = [];
	readonly #functions: ReadonlyMap<string, FunctionProto>;
	readonly #missing = new Map<string, { first: string; count: number }>();

	constructor(readonly model: ModelProto) {
		this.#functions = new Map(model.functions.map((fn) => [functionKey(fn.domain, fn.name, fn.overload), fn]));
	}

	compile(graph: GraphProto): Compiled {
		const versions = versionsOf(this.model.opsetImport);
		const version = versions.get('');
		if (version !== undefined && (version < OLDEST || version > NEWEST))
			throw new FormatError(`it is of operator set ${version}, and ${OLDEST} to ${NEWEST} are read`);
		const steps: Step[] = [];
		const place: Place = {
			scope: new Scope(null),
			versions,
			attributes: null,
			declared: declaredIn(graph),
			steps,
			depth: 0,
			name: graph.name,
			isTop: true,
		};
		const defaults = new Set(graph.initializer.map(({ name }) => name));
		// Old files list initializers among the inputs.
		const inputs = graph.input.filter(({ name }) => !defaults.has(name));
		const plan = this.#graph(graph, place, inputs);
		if (this.#missing.size > 0) throw new FormatError(`operators that are not supported: ${this.#missingNames()}`);
		return { plan, inputs, outputs: graph.output, stored: this.#stored, count: this.#count };
	}

	#graph(graph: GraphProto, place: Place, inputs: readonly ValueInfoProto[]): Plan {
		if (graph.sparseInitializer.length > 0) throw new FormatError('it holds sparse initializers, which are not supported');
		const inputValues = inputs.map(({ name }) => this.#define(place, name));
		for (const proto of graph.initializer) this.#store(place, proto.name, proto);
		this.#nodes(graph.node, place);
		const outputs = graph.output.map(({ name }) => this.#read(place, name, 'an output'));
		const plan = { inputs: inputValues, outputs, steps: place.steps };
		freeEarly(plan);
		return plan;
	}

	#define(place: Place, name: string): number {
		if (place.scope.values.has(name)) throw new FormatError(`graph ${quote(place.name)} defines ${quote(name)} twice`);
		const value = this.#count++;
		place.scope.values.set(name, value);
		const type = place.declared.get(name);
		if (type !== undefined) this.#types.set(value, type);
		return value;
	}

	#store(place: Place, name: string, proto: TensorProto): void {
		const value = this.#define(place, name);
		this.#types.set(value, proto.dataType);
		this.#stored.push({ value, name, proto, isTop: place.isTop });
	}

	#read(place: Place, name: string, what: string): number {
		const value = place.scope.find(name);
		if (value !== undefined) return value;
		throw new FormatError(`graph ${quote(place.name)}: ${what} is ${quote(name)}, which no node before it makes`);
	}

	#nodes(nodes: readonly NodeProto[], place: Place): void {
		for (const node of nodes) {
			if (++this.#steps > MOST_STEPS) throw new FormatError(`it has more than ${MOST_STEPS} nodes`);
			const fn = this.#functions.get(functionKey(node.domain, node.opType, node.overload));
			if (fn === undefined) this.#node(node, place);
			else this.#call(node, fn, place);
		}
	}

	#node(node: NodeProto, place: Place): void {
		const domain = domainOf(node.domain);
		const label = labelOf(node, place);
		const attributes = resolved(node.attribute, place.attributes);
		// The weights of some exporters are constants.
		const constant = domain === '' && node.opType === 'Constant' ? attributes.find(({ name }) => name === 'value') : undefined;
		if (constant?.t != null && node.output.length === 1) {
			this.#store(place, node.output[0]!, constant.t);
			return;
		}
		const operator = operatorOf(domain, node.opType);
		if (operator === undefined) this.#note(node, domain, label);
		const inputs = node.input.map((name, i) => (name === '' ? -1 : this.#read(place, name, `input ${i} of ${label}`)));
		const subgraphs = new Map<string, Plan>();
		for (const { name, type, g } of attributes) {
			if (type === ATTRIBUTE_TYPE.graph && g !== null) subgraphs.set(name, this.#body(g, place));
		}
		const outputs = node.output.map((name) => (name === '' ? -1 : this.#define(place, name)));
		if (operator === undefined) return;
		const version = place.versions.get(domain) ?? 1;
		const own = new Attributes(attributes, label);
		if (domain === '' && node.opType === 'Cast' && outputs.length === 1) this.#types.set(outputs[0]!, own.int('to'));
		const types = inputs.map((value) => this.#types.get(value));
		place.steps.push({ operator, attributes: own, version, inputs, types, outputs, subgraphs, frees: [] });
	}

	#body(graph: GraphProto, place: Place): Plan {
		if (place.depth >= DEEPEST) throw new FormatError(`it nests graphs more than ${DEEPEST} deep`);
		const inner = {
			...place,
			scope: new Scope(place.scope),
			declared: declaredIn(graph),
			steps: [],
			depth: place.depth + 1,
			name: graph.name,
			isTop: false,
		};
		return this.#graph(graph, inner, graph.input);
	}

	/** The steps of a local function, in the place of the node that calls it. */
	#call(node: NodeProto, fn: FunctionProto, place: Place): void {
		if (place.depth >= DEEPEST) throw new FormatError(`it nests functions more than ${DEEPEST} deep`);
		const scope = new Scope(null);
		fn.input.forEach((name, i) => {
			const given = node.input[i] ?? '';
			if (given !== '') scope.values.set(name, this.#read(place, given, `input ${i} of ${labelOf(node, place)}`));
		});
		const own = resolved(node.attribute, place.attributes);
		const attributes = new Map([...fn.attributeProto, ...own].map((attribute) => [attribute.name, attribute]));
		const versions = new Map([...place.versions, ...versionsOf(fn.opsetImport)]);
		const inner: Place = { ...place, scope, versions, attributes, declared: new Map(), depth: place.depth + 1, name: fn.name };
		this.#nodes(fn.node, inner);
		node.output.forEach((name, i) => {
			if (name === '') return;
			const result = fn.output[i];
			if (result === undefined) throw new FormatError(`function ${quote(fn.name)} has no output ${i}`);
			if (place.scope.values.has(name)) throw new FormatError(`graph ${quote(place.name)} defines ${quote(name)} twice`);
			place.scope.values.set(name, this.#read(inner, result, 'an output'));
		});
	}

	#note(node: NodeProto, domain: string, label: string): void {
		const name = domain === '' ? node.opType : `${domain}.${node.opType}`;
		const known = this.#missing.get(name);
		if (known === undefined) this.#missing.set(name, { first: label, count: 1 });
		else known.count++;
	}

	#missingNames(): string {
		return [...this.#missing]
			.map(([name, { first, count }]) => `${name} (${count === 1 ? first : `${count} nodes, the first is ${first}`})`)
			.join(', ');
	}
}

/** The types of the values that a graph describes. */
function declaredIn({ input, valueInfo, output }: GraphProto): ReadonlyMap<string, number> {
	return new Map(
		[...input, ...valueInfo, ...output].flatMap(({ name, type }) => {
			const found = type?.tensorType?.elemType ?? 0;
			return found === 0 ? [] : [[name, found] as const];
		}),
	);
}

function functionKey(domain: string, name: string, overload: string): string {
	return JSON.stringify([domainOf(domain), name, overload]);
}

function labelOf(node: NodeProto, place: Place): string {
	const name = node.name || node.output[0] || '';
	return `${node.opType} node ${quote(name)}${place.name === '' || place.isTop ? '' : ` of ${quote(place.name)}`}`;
}

/** Attributes in which those of the function around stand for their references. */
function resolved(given: readonly AttributeProto[], outer: ReadonlyMap<string, AttributeProto> | null): AttributeProto[] {
	return given.flatMap((attribute) => {
		if (attribute.refAttrName === '') return [attribute];
		const found = outer?.get(attribute.refAttrName);
		return found === undefined ? [] : [{ ...bare(found), name: attribute.name }];
	});
}

/** All fields of an attribute, also those that only its prototype has. */
function bare(attribute: AttributeProto): AttributeProto {
	const { type, f, i, s, t, g, sparseTensor, floats, ints, strings, tensors, graphs } = attribute;
	return { name: '', refAttrName: '', type, f, i, s, t, g, sparseTensor, floats, ints, strings, tensors, graphs };
}

/** What a step reads, its bodies included. */
export function readBy(step: Step): number[] {
	const inner = [...step.subgraphs.values()].flatMap((plan) => [...plan.steps.flatMap(readBy), ...plan.outputs]);
	return [...step.inputs, ...inner].filter((value) => value >= 0);
}

/** Notes at each step which values are not read any more. */
export function freeEarly(plan: Plan): void {
	const seen = new Set(plan.outputs);
	for (const step of plan.steps.toReversed()) {
		const done = new Set([...readBy(step), ...step.outputs].filter((value) => value >= 0 && !seen.has(value)));
		step.frees = [...done];
		for (const value of done) seen.add(value);
	}
	const made = new Set(plan.steps.flatMap(({ outputs }) => outputs));
	for (const step of plan.steps) step.frees = step.frees.filter((value) => made.has(value));
}
