/** The page: compares the meaning of sentences by a BERT that the visitor opens. */
import { chooseDevice, messageOf, showNotice } from '../page';
import '../gpt/page.css';
import './page.css';
import { Comparison, showPhase } from './comparison';

showPhase('loading');
try {
	const { device } = await chooseDevice(showPhase);
	new Comparison(device);
} catch (error) {
	console.error(error);
	showPhase('waiting');
	showNotice('The page could not start', messageOf(error));
}
