// A page that is read from a disk may start no worker, and the search runs in one: here its script
// runs in a hidden frame instead. Material for MkDocs would fetch such a script from another host.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(script) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.frame = frame;
      const inside = frame.contentWindow;
      inside.document.open();
      inside.document.write("<!doctype html><html><head></head><body></body></html>");
      inside.document.close();
      // What a worker calls: the names of its own scope, which are those of a window here.
      inside.postMessage = (data) => {
        const message = new MessageEvent("message", { data });
        this.dispatchEvent(message);
        if (typeof this.onmessage === "function") this.onmessage(message);
      };
      const load = (address) =>
        new Promise((done, failed) => {
          const tag = inside.document.createElement("script");
          tag.src = address;
          tag.onload = done;
          tag.onerror = failed;
          inside.document.body.append(tag);
        });
      inside.importScripts = (...addresses) => Promise.all(addresses.map(load));
      this.ready = load(new URL(script, document.baseURI).href);
    }
    postMessage(data) {
      this.ready.then(() => {
        const inside = this.frame.contentWindow;
        inside.dispatchEvent(new inside.MessageEvent("message", { data }));
      });
    }
    terminate() {
      this.frame.remove();
    }
  };
}
