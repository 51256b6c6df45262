"""FastAPI as in tutorials: the session runs on the event loop, without batching."""

import uvicorn
from common import PORT, encode, generate, open_session, read
from fastapi import FastAPI, Request, Response

app = FastAPI()
session = open_session()


@app.post("/generate")
async def make(request: Request) -> Response:
    return Response(encode(generate(session, read(await request.body()))), media_type="image/png")


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, loop="uvloop", http="httptools", access_log=False)
