import random, time, pytest, itertools
from sqlalchemy import insert, update
from rookery.v1 import folder_pb2, search_service_pb2
from rookery_core.rules.search_query import Document
from rookery_core.rules.clock import SystemClock
from rookery_server.services.indexer import Indexer
from rookery_server.services.page_tokens import PageTokens
from rookery_server.services.search import SearchService
from rookery_server.store import search
from rookery_server.store.tables import item, mailbox
from tests.support.world import World
from tests.support.rows import item_row
from tests.support.databases import *

N=50000
VOC=[ "".join(random.Random(i).choices("abcdefghijklmnopqrstuvwxyz",k=random.Random(-i).randint(3,9))) for i in range(20000)]
W=[1/(i+1) for i in range(len(VOC))]

@pytest.mark.timeout(3000)
async def test_bench(database):
    w=World(database); p=await w.person("anna"); inbox=await w.folder_of(p, folder_pb2.FOLDER_ROLE_INBOX)
    rnd=random.Random(1); cum=list(itertools.accumulate(W))
    pool=[rnd.choices(VOC,cum_weights=cum,k=400) for _ in range(500)]
    t0=time.perf_counter(); ti=0
    for b in range(0,N,500):
        rows=[item_row(p.number,b+k+2,folder_id=inbox,summary=b"\x08\x01"+b"\x1a\x7f"+b"x"*127, state=b"") for k in range(500)]
        docs=[]
        for r in rows:
            words=pool[rnd.randrange(500)]
            body=words[:rnd.randint(50,400)]+["common"]+(["rareword"] if rnd.random()<0.0002 else [])+[f"n{r['uid']}"]
            docs.append(search.Indexed(r["id"],r["content"],r["received"],Document(words[:6],["ann","mail","example"],["ben","mail","example"],[],body)))
        def work(t):
            t.connection.execute(insert(item),rows)
            t.connection.execute(update(mailbox).where(mailbox.c.id==p.number).values(revision=rows[-1]["revision"]))
        await database.write(work)
        a=time.perf_counter()
        def work2(t):
            s=search.progress(t.connection,p.number)
            assert search.index_batch(t.connection,p.number,docs,since=s,upto=rows[-1]["revision"])
        await database.write(work2); ti+=time.perf_counter()-a
    print(database.dialect,"filled",time.perf_counter()-t0,"index",ti, "us/doc", ti/N*1e6)
    if database.dialect=="postgresql":
        from rookery_server.store.database import open_database
        await database.write(lambda t: t.connection.exec_driver_sql("ANALYZE"))
    s=SearchService(database,Indexer(database),PageTokens(b"k"*32),SystemClock())
    for q in ["rareword","common",VOC[0],"ann","from:ann","subject:"+VOC[3],f'"{pool[7][0]} {pool[7][1]}"',"common rareword","common -"+VOC[0],"is:unread","is:read common","n4999*",VOC[0][0]+"*","common before:2023-11-20"]:
        ts=[]
        for _ in range(5):
            a=time.perf_counter()
            r=search_service_pb2.SearchResponse.FromString(await s.search(p.caller, search_service_pb2.SearchRequest(query=q)))
            ts.append((time.perf_counter()-a)*1e3)
        print(f"{q:30} {len(r.items):4} incomplete={r.incomplete} more={bool(r.next_page_token)} first {ts[0]:.1f} best {min(ts):.1f} ms")
