import { embedding } from 'wgrad';
import { testRandom } from './drive';

testRandom('embedding', (d) => {
	const [rows, width] = [d.oneIn(6) ? 500 : d.size(), d.size({ empty: true })];
	const indices = d.indices(d.shape(d.int(0, 3), { elements: d.oneIn(6) ? 2000 : 300 }), rows);
	const weight = d.input([rows, width]);
	const options = d.oneIn(3) ? { paddingIdx: d.int(-rows, rows - 1) } : {};
	return d.case('embedding', [indices, weight], ([i, t]) => embedding(i!, t!, options), options);
});
