// Requests to the history of the vehicle. Without a history, one notice replaces the parts of the page that need it.
import { ApiError, element, get, setText, withCode } from './base.js';

export const vin = decodeVin(location.pathname.split('/').pop());
export const vehiclePath = `api/vehicles/${encodeURIComponent(vin)}`;

function decodeVin(text) {
    try {
        return decodeURIComponent(text);
    } catch (error) {
        return text;
    }
}

export let isHistoryOff = false;

function setHistoryOff(text) {
    isHistoryOff = text !== null;
    element('history_off').hidden = !isHistoryOff;
    element('vehicle').classList.toggle('no-history', isHistoryOff);
    if (isHistoryOff) element('history_off_text').replaceChildren(...withCode(text));
    for (const part of document.querySelectorAll('[data-history]')) part.hidden = isHistoryOff;
}

// The text of this 404 names the setting; that of a vehicle that the history does not have yet does not.
const isOff = (error) => error instanceof ApiError && error.status === 404 && error.message.includes('history:');

// The answer to a request such as ('sessions', {points: 200}). Throws ApiError.
export async function readHistory(what, parameters = {}) {
    try {
        const answer = await get(`${vehiclePath}/${what}?${new URLSearchParams(parameters)}`);
        setHistoryOff(null);
        return answer;
    } catch (error) {
        if (isOff(error)) setHistoryOff(error.message);
        throw error;
    }
}

// Run task(); a refusal of the history is displayed in `problem` (without a history, setHistoryOff() displays it). No answer and
// 401 are reported by poll() and base.js.
export async function tryHistory(problem, task) {
    try {
        await task();
        setText(problem, '');
    } catch (error) {
        if (!(error instanceof ApiError) || error.status === 0 || error.status === 401) throw error;
        setText(problem, isOff(error) ? '' : error.status === 404 ? 'The history has nothing of this vehicle yet.' : error.message);
    }
}
