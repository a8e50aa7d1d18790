//! tokio_echo.rs - the echo server with tokio: a task for each connection, on one
//! thread. echo_load starts it.
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buf = [0u8; 4096];

    stream.set_nodelay(true)?;
    loop {
        let n = stream.read(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buf[..n]).await?;
    }
}

async fn listen() -> std::io::Result<()> {
    let door = TcpListener::bind("127.0.0.1:0").await?;

    println!("listening on {}", door.local_addr()?);
    loop {
        let (stream, _) = door.accept().await?;
        tokio::spawn(serve(stream));
    }
}

fn main() -> std::io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(listen())
}
