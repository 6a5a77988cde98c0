/** The page: adapts a small GPT to the visitor's own text by low-rank adapters. */
import { chooseDevice, download, messageOf, showNotice, showProgress } from '../page';
import '../gpt/page.css';
import './page.css';
import { showPhase, showSizes } from './form';
import { Session } from './session';

showPhase('loading');
try {
	const { device, kind } = await chooseDevice(showPhase);
	showSizes(kind);
	showProgress(0, 'the text of Moby Dick');
	const text = await (await download('../gpt/moby-dick.txt')).text();
	showProgress(0, '');
	await new Session(device, text).open();
} catch (error) {
	console.error(error);
	showPhase('waiting');
	showNotice('The page could not start', messageOf(error));
}
