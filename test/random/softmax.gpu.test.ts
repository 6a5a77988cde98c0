import { logSoftmax, softmax } from 'wgrad';
import type { Case, Draw } from './draw';
import { testRandom } from './drive';

// The sum of exponentials is at least 1, so its rounding is at least a unit: a smaller exp(x - max) does not show.
testRandom('softmax', draw, { absolute: 2 ** -22 });

function draw(d: Draw): Case {
	const rank = d.int(0, 4);
	const long = d.oneIn(8) && rank > 0;
	const shape = d.shape(rank, { elements: long ? 4 : 500 });
	if (long) shape[d.int(0, rank - 1)] = d.pick([257, 1023, 1024, 1500]);
	const scale = d.pick([2, 2, 30]);
	const x = d.input(shape, 'float32', { low: -scale, high: scale });
	const dim = d.dim(rank);
	return d.bool()
		? d.case('softmax', [x], ([t]) => softmax(t!, dim), { dim })
		: d.case('logSoftmax', [x], ([t]) => logSoftmax(t!, dim), { dim });
}
