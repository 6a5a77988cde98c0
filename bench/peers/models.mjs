/** The models that onnxruntime-web runs, as ONNX files. */
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { TINY } from './cases.mjs';

/** The data type FLOAT of ONNX; the type of attribute INTS is 7. */
const FLOAT = 1;

/** By the names of cases: the files in base64. @param {string} root the repository */
export async function models(root) {
	const schema = await protobuf.load(join(root, 'src/formats/onnx/onnx.proto'));
	const type = schema.lookupType('onnx.ModelProto');
	const value = (name) => ({ name, type: { tensorType: { elemType: FLOAT } } });
	/** @param {string[]} inputs @param {object[]} node @param {object[]} [initializer] */
	const model = (inputs, node, initializer = []) => {
		const graph = { name: 'case', node, initializer, input: inputs.map(value), output: [value('y')] };
		const message = type.create({ irVersion: 8, opsetImport: [{ domain: '', version: 18 }], graph });
		return Buffer.from(type.encode(type.fromObject(message)).finish()).toString('base64');
	};
	const chain = Array.from({ length: TINY }, (_, i) => ({
		opType: 'Add',
		input: [i === 0 ? 'x' : `x${i}`, 'one'],
		output: [i === TINY - 1 ? 'y' : `x${i + 1}`],
	}));
	return {
		matmul: model(['a', 'b'], [{ opType: 'MatMul', input: ['a', 'b'], output: ['y'] }]),
		conv: model(
			['x', 'w'],
			[{ opType: 'Conv', input: ['x', 'w'], output: ['y'], attribute: [{ name: 'pads', type: 7, ints: [1, 1, 1, 1] }] }],
		),
		softmax: model(['x'], [{ opType: 'Softmax', input: ['x'], output: ['y'] }]),
		tiny: model(['x'], chain, [{ name: 'one', dataType: FLOAT, dims: [], floatData: [1] }]),
	};
}
