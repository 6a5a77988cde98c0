import { dropout, dropout2d } from 'wgrad';
import { testRandom } from './drive';

testRandom('random', (d) => {
	const options = { p: d.pick([0.5, 0, 0.1, 0.9, 1]), training: !d.oneIn(5) };
	if (d.oneIn(3)) {
		const x = d.input(d.shape(d.int(3, 4)));
		return d.case('dropout2d', [x], ([t]) => dropout2d(t!, options), options);
	}
	const x = d.input(d.shape(d.int(0, 5), { elements: d.oneIn(6) ? 5000 : 500 }));
	return d.case('dropout', [x], ([t]) => dropout(t!, options), options);
});
