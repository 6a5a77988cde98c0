/** ONNX files. What reads them is loaded only when it is needed. */
import { backendOf, deviceOfNew } from '../../backends/registry';
import { requireOneOf } from '../../core/checks';
import { checkOptions } from '../../core/options';
import type { Source } from '../../data/sources';
import { withProgress } from '../../io/open';
import { checkOpenOptions } from '../../io/options';
import type { OnnxModule } from './module';
import type { LoadOnnxOptions } from './options';

export type { NamedTensors, OnnxModule, OnnxValue } from './module';
export type { LoadOnnxOptions } from './options';

/**
 * Returns the model in an ONNX file as a module, which runs and trains. `source` is a path (in Node), a URL, a File or Blob, or bytes. Weights
 * are parameters, statistics of batch norm are buffers, and what only constants determine is computed once. int64 becomes int32. The module
 * is in inference mode. Throws a FormatError if the file is damaged, and one that names all operators that are not supported.
 */
export async function loadOnnx(source: Source, options: LoadOnnxOptions = {}): Promise<OnnxModule> {
	checkOptions('loadOnnx', options, ['device', 'dtype', 'externalData', 'onProgress', 'signal', 'cache']);
	checkOpenOptions('loadOnnx', options);
	const { device = deviceOfNew(), dtype, signal } = options;
	if (dtype !== undefined) requireOneOf('loadOnnx', 'dtype', dtype, ['auto', 'float32']);
	const backend = backendOf(device);
	signal?.throwIfAborted();
	const { readModel } = await import('./load');
	return withProgress([source], options, (tell) => readModel(source, backend, options, tell));
}
